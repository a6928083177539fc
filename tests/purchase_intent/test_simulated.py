import numpy as np
import pandas as pd
import pytest

from purchase_intent.sources import SOURCES, simulated
from stemma.errors import DataError
from stemma.tables import check, load
from stemma.tables.statistics import bayes_auc

pytestmark = pytest.mark.unit
UCI = (
    "Administrative,Administrative_Duration,Informational,Informational_Duration,ProductRelated,ProductRelated_Duration"
    ",BounceRates,ExitRates,PageValues,SpecialDay,Month,OperatingSystems,Browser,Region,TrafficType,VisitorType,Weekend"
    ",Revenue"
)


def drawn(rows: int, seed: int = 0, missing: float = 0.02, chunk: int = simulated.CHUNK) -> pd.DataFrame:
    return pd.concat(list(simulated.frames(rows, seed, missing, chunk)), ignore_index=True)


@pytest.fixture(scope="module")
def sessions() -> pd.DataFrame:
    return drawn(200_000)


@pytest.fixture(scope="module")
def bought(sessions) -> np.ndarray:
    return (sessions["Revenue"] == "TRUE").to_numpy()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path, ending):
    files = [tmp_path / f"{number}.{ending}" for number in range(3)]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        simulated.write(file, 40_000, seed, 0.02)
    first, second, other = (file.read_bytes() for file in files)
    assert first == second
    assert first != other


def test_a_longer_table_begins_with_the_rows_of_a_shorter_one():
    pd.testing.assert_frame_equal(drawn(40_000)[:1000], drawn(1000))


def test_pieces_hold_as_many_rows_as_asked_for():
    assert [len(piece) for piece in simulated.frames(2500, 0, 0.0, chunk=1000)] == [1000, 1000, 500]


def test_the_size_of_the_pieces_does_not_matter_to_the_statistics():
    small, large = (drawn(60_000, chunk=chunk).select_dtypes("number") for chunk in (1000, 32_768))
    error = np.sqrt(small.var() / len(small) + large.var() / len(large))
    assert ((small.mean() - large.mean()).abs() < 5 * error).all()


def test_pieces_do_not_repeat_each_other():
    first, second = simulated.frames(2000, 0, 0.0, chunk=1000)
    assert not first.reset_index(drop=True).equals(second.reset_index(drop=True))


def test_columns_are_those_of_the_uci_file_and_the_true_probability(tmp_path):
    simulated.write(tmp_path / "t.csv", 100, 0, 0.0)
    assert (tmp_path / "t.csv").read_text().splitlines()[0] == UCI + ",Probability"


def test_a_visit_is_plausible(sessions):
    assert not (sessions["BounceRates"] > sessions["ExitRates"]).any()
    assert set(sessions.loc[sessions["SpecialDay"] > 0, "Month"]) == {"Feb", "May"}
    for kind in simulated.KINDS:
        assert (sessions.loc[sessions[kind] == 0, f"{kind}_Duration"].dropna() == 0).all()
        assert sessions[kind].corr(sessions[f"{kind}_Duration"]) > 0.6
    assert 0.15 < (sessions["PageValues"] > 0).mean() < 0.3


def test_values_are_missing_only_from_the_masked_columns_and_as_often_as_asked(sessions):
    shares = sessions.isna().mean()
    assert set(shares.index[shares > 0]) == set(simulated.MASKED)
    assert shares[list(simulated.MASKED)].between(0.018, 0.022).all()
    assert not drawn(1000, missing=0.0).isna().any(axis=None)


def test_another_share_of_missing_values_leaves_the_visits_as_they_are():
    full, sparse = drawn(2000, missing=0.0), drawn(2000, missing=0.3)
    for name in simulated.MASKED:
        there = sparse[name].notna()
        assert (sparse.loc[there, name] == full.loc[there, name]).all()


def test_the_probability_is_a_function_of_what_is_observed_alone(tmp_path):
    simulated.write(tmp_path / "t.csv", 5000, 3, 0.2)
    seen = pd.read_csv(tmp_path / "t.csv")
    assert seen["PageValues"].isna().any()
    session = {name: seen[name].to_numpy() for name in seen}
    session |= {name: seen[name].fillna(0).astype(int).to_numpy() for name in simulated.CODED}
    session |= {
        "Month": pd.Categorical(seen["Month"], simulated.MONTHS).codes,
        "VisitorType": pd.Categorical(seen["VisitorType"], simulated.VISITORS).codes,
        "Weekend": seen["Weekend"].astype(int).to_numpy(),
    }
    np.testing.assert_allclose(1 / (1 + np.exp(-simulated.score(session))), seen["Probability"], atol=6e-7)


def test_labels_follow_the_probability(sessions, bought):
    tenth = pd.qcut(sessions["Probability"], 10)
    groups = pd.DataFrame({"p": sessions["Probability"], "bought": bought}).groupby(tenth, observed=True)
    error = np.sqrt(groups["p"].mean() * (1 - groups["p"].mean()) / groups.size())
    assert ((groups["bought"].mean() - groups["p"].mean()).abs() < 4.5 * error).all()


def test_the_bayes_auc_is_the_auc_of_the_probability_within_noise(sessions, bought):
    from sklearn.metrics import roc_auc_score

    # The standard error of this AUC is below 0.001 at 200,000 rows.
    assert abs(roc_auc_score(bought, sessions["Probability"]) - bayes_auc(sessions["Probability"].to_numpy())) < 0.004


def test_share_of_buyers_and_best_auc_are_like_those_of_the_real_file(sessions, bought):
    assert 0.14 < bought.mean() < 0.17
    assert 0.92 < bayes_auc(sessions["Probability"].to_numpy()) < 0.94


def test_trees_come_near_the_bayes_auc_not_above_it_and_beat_a_linear_model(sessions, bought):
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    columns = sessions[:60_000].drop(columns=["Revenue", "Probability"]).astype({n: "str" for n in simulated.CODED})
    x = pd.get_dummies(columns)
    x = x.fillna(x.median()).astype(float)
    train, test = slice(0, 20_000), slice(20_000, 60_000)
    scaler = StandardScaler().fit(x[train])
    models = {
        "linear": LogisticRegression(max_iter=1000),
        "trees": HistGradientBoostingClassifier(max_iter=50, random_state=0),
        "network": MLPClassifier((32,), early_stopping=True, random_state=0),
    }
    auc = {}
    for name, model in models.items():
        model.fit(scaler.transform(x[train]), bought[train])
        auc[name] = roc_auc_score(bought[test], model.predict_proba(scaler.transform(x[test]))[:, 1])
    best = roc_auc_score(bought[test], sessions["Probability"][test])
    assert auc["linear"] + 0.01 < auc["network"] < best
    assert auc["linear"] + 0.01 < auc["trees"] < best


def test_nothing_looks_wrong_in_the_table_of_conf(composed):
    assert check.check(composed("data=simulated", "data.rows=12000").data, SOURCES, strict=False).hints == ()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_table_is_the_same_from_memory_and_from_a_file(ending, composed, tmp_path):
    settings = composed("data=simulated", "data.rows=500").data
    path = tmp_path / f"t.{ending}"
    simulated.write(path, 500, settings.seed, settings.missing)
    file = composed("data=csv", f"data.source={path.as_posix()}", "+data.columns.Probability=bayes").data
    pd.testing.assert_frame_equal(load.table(file, SOURCES), load.table(settings, SOURCES))


def test_the_command_line_writes_the_table(tmp_path):
    simulated.main(["--rows", "150", "--seed", "4", "--missing", "0", str(tmp_path / "t.parquet")])
    simulated.write(tmp_path / "u.parquet", 150, 4, 0.0)
    assert (tmp_path / "t.parquet").read_bytes() == (tmp_path / "u.parquet").read_bytes()


@pytest.mark.parametrize("wrong", [["--rows", "0"], ["--rows", "5", "--missing", "1"], ["--rows", "5", "--seed", "-1"]])
def test_the_command_line_refuses_values_out_of_range(tmp_path, wrong, capsys):
    with pytest.raises(SystemExit) as stop:
        simulated.main([*wrong, str(tmp_path / "t.csv")])
    assert stop.value.code == 2
    assert "--rows is at least 1, --seed at least 0, --missing in [0, 1)" in capsys.readouterr().err


def test_an_unknown_ending_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"t.xlsx has no known ending: name it .csv or .parquet$"):
        simulated.write(tmp_path / "t.xlsx", 10, 0, 0.0)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"the folder .*none is not there: run `mkdir .*none`$"):
        simulated.write(tmp_path / "none/t.csv", 10, 0, 0.0)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    simulated.write(path, 100, 0, 0.0)
    before, piece = path.read_bytes(), drawn(10)

    def broken(*_):
        yield piece
        raise OSError("disk full")

    monkeypatch.setattr(simulated, "frames", broken)
    with pytest.raises(OSError, match="disk full"):
        simulated.write(path, 100, 1, 0.0)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
