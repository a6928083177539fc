"""Twelve tables in the style of those that people have, which nobody prepared: two of scikit-learn's, and ten drawn.

Each is written by `write(folder)` and described with its target alone: what else a person must type is in `arguments`,
and what a person must write into the settings, for `describe` cannot know it, in `edits`, as `describe` names it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

Make = Callable[[np.random.Generator, Path], None]
WITH_ROLE = re.compile(r'give it the role (?P<role>\w+) and (?P<setting>\w+: \{"(?P<column>\w+)": .*\})')


@dataclass(frozen=True)
class Unprepared:
    """
    Attributes:
        make: writes the file.
        file: its name.
        target: to predict.
        task: that describe finds.
        arguments: of `describe` besides file, target and name.
        edits: what `describe` names for a person to write into the settings.
    """

    make: Make
    file: str
    target: str
    task: str
    arguments: tuple[str, ...] = ()
    edits: tuple[str, ...] = ()

    def edited(self, text: str) -> str:
        """The settings that `describe` wrote, as a person edits them by what it names."""
        settings = []
        for edit in self.edits:
            if edit.startswith("task:"):
                text = re.sub(r"(?m)^task: .*", edit, text)
            elif found := WITH_ROLE.fullmatch(edit):
                text = re.sub(rf"(?m)^  {found['column']}: .*", f"  {found['column']}: {found['role']}", text)
                settings.append(found["setting"])
            else:
                settings.append(edit)
        told = [setting.partition(": ") for setting in settings]
        for key in dict.fromkeys(key for key, _, _ in told):
            parts = ", ".join(value.strip("{}") for name, _, value in told if name == key)
            text += f"{key}: {{{parts}}}\n"
        return text

    def write(self, folder: Path) -> Path:
        path = folder / self.file
        self.make(np.random.default_rng(7), path)
        return path


def irises(draw: np.random.Generator, path: Path) -> None:
    """No header."""
    from sklearn.datasets import load_iris

    data = load_iris(as_frame=True)
    frame = data.data.assign(species=[f"Iris-{data.target_names[code]}" for code in data.target])
    frame.to_csv(path, header=False, index=False)


def cells(draw: np.random.Generator, path: Path) -> None:
    """Names with spaces, the row's number as a column without a name, classes 0 and 1."""
    from sklearn.datasets import load_breast_cancer

    load_breast_cancer(as_frame=True).frame.to_csv(path)


def customers(draw: np.random.Generator, path: Path) -> None:
    """Identifiers, dates, charges with blanks, a target of Yes and No that is empty in some rows."""
    rows = 900
    months, monthly = draw.integers(0, 72, rows), draw.gamma(4, 16, rows).round(2)
    joined = pd.Timestamp("2024-12-31") - pd.to_timedelta(months * 30 + draw.integers(0, 30, rows), unit="D")
    leaves = draw.random(rows) < 1 / (1 + np.exp(months / 12 - monthly / 40))
    frame = pd.DataFrame({
        "customerID": [f"{number:04d}-{''.join(draw.choice([*'ABCDEFG'], 5))}" for number in draw.permutation(rows)],
        "SeniorCitizen": draw.integers(0, 2, rows), "Joined": joined.strftime("%Y-%m-%d"),
        "Contract": draw.choice(["Month-to-month", "One year", "Two year"], rows, p=[0.5, 0.3, 0.2]),
        "MonthlyCharges": monthly,
        "TotalCharges": [f"{m * c:.2f}" if m else " " for m, c in zip(months, monthly, strict=True)],
        "Churn": np.where(leaves, "Yes", "No"),
    })  # fmt: skip
    frame.loc[::90, "Churn"] = ""
    frame.to_csv(path, index=False)


def wines(draw: np.random.Generator, path: Path) -> None:
    """Semicolons, decimal commas, grades of which the ends are rare."""
    rows = 1200
    alcohol, acid = draw.normal(10.5, 1.1, rows), draw.gamma(9, 0.06, rows)
    grade = np.clip(np.rint(5.8 + 0.5 * (alcohol - 10.5) - (acid - 0.5) + draw.normal(0, 0.5, rows)), 4, 7).astype(int)
    grade[:5] = [3, 3, 3, 9, 9]
    frame = pd.DataFrame({"Säure": acid.round(3), "Zucker": draw.gamma(2, 1.4, rows).round(1),
                          "Alkohol": alcohol.round(2), "Farbe": draw.choice(["rot", "weiß"], rows),
                          "Note": grade})  # fmt: skip
    frame.to_csv(path, index=False, sep=";", decimal=",", encoding="cp1252")


def houses(draw: np.random.Generator, path: Path) -> None:
    """Money with thousands, over three decades."""
    rows = 800
    area = draw.gamma(6, 25, rows).round()
    price = np.exp(11 + 0.006 * area + draw.normal(0, 0.5, rows)).round(-2)
    frame = pd.DataFrame({
        "Id": range(1, rows + 1), "LotArea": [f"{value:,.0f}" for value in area * draw.gamma(20, 3, rows)],
        "GrLivArea": area, "Neighborhood": draw.choice(["NAmes", "CollgCr", "OldTown", "Edwards"], rows),
        "YearBuilt": draw.integers(1880, 2010, rows), "PoolQC": draw.choice(["NA", "Gd"], rows, p=[0.99, 0.01]),
        "SalePrice": [f"{value:,.0f}" for value in price],
    })  # fmt: skip
    frame.to_csv(path, index=False)


def measurements(draw: np.random.Generator, path: Path) -> None:
    """A byte order mark, Windows line ends, quotes, and many words for no value."""
    rows = 600
    temperature, humidity = draw.normal(18, 6, rows), draw.uniform(20, 95, rows)
    texts = np.array([f"{value:.1f}" for value in temperature], object)
    texts[::17], texts[1::23], texts[2::29] = "n/a", "unknown", "-"
    damp = np.array([f"{value:.0f}" for value in humidity], object)
    damp[::19] = "NULL"
    frame = pd.DataFrame({"sensor": draw.choice(["A1", "B2", "C3"], rows), "temperature": texts, "humidity": damp,
                          "time": pd.date_range("2024-01-01", periods=rows, freq="37min").strftime("%Y-%m-%d %H:%M"),
                          "ozone": (20 + 2 * temperature - humidity / 9).round(1)})  # fmt: skip
    path.write_bytes(frame.to_csv(index=False, quoting=1, lineterminator="\r\n").encode("utf-8-sig"))


def spectra(draw: np.random.Generator, path: Path) -> None:
    """More columns than rows."""
    x = draw.normal(size=(250, 400))
    kind = np.where(x[:, :5].sum(axis=1) + draw.normal(0, 0.5, 250) > 0, "malt", "grain")
    pd.DataFrame(x.round(4), columns=[f"wl_{900 + 2 * place}" for place in range(400)]).assign(sample=kind).to_csv(
        path, index=False, sep="\t"
    )


def orders(draw: np.random.Generator, path: Path) -> None:
    """Days as Germans write them, amounts with points between thousands."""
    rows = 700
    amount = np.exp(draw.normal(5.5, 1.6, rows))
    written = [f"{value:,.2f}".translate(str.maketrans(",.", ".,")) for value in amount]
    late = draw.random(rows) < 1 / (1 + np.exp(6 - np.log(amount)))
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 366, rows), unit="D")
    frame = pd.DataFrame({
        "Bestellung": [f"B-{number:06}" for number in range(rows)], "Datum": days.strftime("%d.%m.%Y"),
        "Betrag": written, "Land": draw.choice(["DE", "AT", "CH"], rows), "verspätet": np.where(late, "ja", "nein"),
    })  # fmt: skip
    frame.to_csv(path, index=False, sep=";")


def species(draw: np.random.Generator, path: Path) -> None:
    """Classes of two and three rows."""
    kinds = draw.choice(["oak", "beech", "pine", "yew", "elm"], 500, p=[0.4, 0.3, 0.29, 0.006, 0.004])
    kinds[:5] = ["yew", "yew", "yew", "elm", "elm"]
    height = draw.normal(20, 4, 500) + 6 * (kinds == "pine") - 5 * (kinds == "beech")
    pd.DataFrame({"height_m": height.round(1), "girth_cm": draw.gamma(9, 14, 500).round(),
                  "plot": draw.integers(1, 12, 500), "kind": kinds}).to_csv(path, index=False)  # fmt: skip


def loans(draw: np.random.Generator, path: Path) -> None:
    """Parquet: whole numbers with gaps, times, categories, a truth value to predict."""
    rows = 1000
    income = np.exp(draw.normal(10.4, 0.6, rows))
    bad = draw.random(rows) < 1 / (1 + np.exp(np.log(income) - 8.6))
    pd.DataFrame({
        "loan_id": np.arange(50_000, 50_000 + rows), "issued": pd.Timestamp("2023-01-01") + pd.to_timedelta(
            draw.integers(0, 500 * 86_400, rows), unit="s"),
        "income": pd.array(np.where(draw.random(rows) < 0.1, None, income.round()), "Int64"),
        "purpose": pd.Categorical(draw.choice(["car", "house", "debt", "other"], rows)), "default": bad,
    }).to_parquet(path)  # fmt: skip


def reviews(draw: np.random.Generator, path: Path) -> None:
    """Free text with commas, quotes and line ends beside numbers; stars from 1 to 5."""
    rows = 800
    stars = draw.integers(1, 6, rows)
    words = np.array(["good", "bad", "fine", "broken", 'so "nice"', "late,", "again\n"])
    frame = pd.DataFrame({"text": [" ".join(draw.choice(words, 12)) for _ in range(rows)],
                          "helpful": draw.poisson(stars), "verified": draw.choice(["y", "n"], rows),
                          "price": draw.gamma(2, 20, rows).round(2), "stars": stars})  # fmt: skip
    frame.to_csv(path, index=False)


def trips(draw: np.random.Generator, path: Path) -> None:
    """Compressed; a pair of times, a code with zeros in front, a target with zeros and a long tail."""
    rows = 1000
    begins = pd.Timestamp("2024-05-01") + pd.to_timedelta(draw.integers(0, 60 * 86_400, rows), unit="s")
    minutes = draw.gamma(3, 6, rows)
    tip = np.where(draw.random(rows) < 0.4, 0, draw.gamma(1.5, 0.1 * minutes)).round(2)
    frame = pd.DataFrame({"pickup": begins, "dropoff": begins + pd.to_timedelta(minutes.round(1), unit="min"),
                          "zip": draw.choice(["01067", "01069", "04103", "10115"], rows),
                          "passengers": draw.integers(1, 6, rows), "card": draw.choice(["TRUE", "FALSE"], rows),
                          "tip": tip})  # fmt: skip
    frame.to_csv(path, index=False)


TABLES = {
    table.make.__name__: table
    for table in (
        Unprepared(irises, "iris.data", "c4", "multiclass", ("--no-header",)),
        Unprepared(cells, "cells.csv", "target", "binary"),
        Unprepared(customers, "customers.csv", "Churn", "binary"),
        Unprepared(wines, "wines.csv", "Note", "regression", edits=("task: regression",)),
        Unprepared(
            houses,
            "houses.csv",
            "SalePrice",
            "regression",
            edits=(
                "task: regression",
                'thousands: {"SalePrice": ","}',
                'give it the role numeric and thousands: {"LotArea": ","}',
            ),
        ),
        Unprepared(measurements, "measurements.csv", "ozone", "regression"),
        Unprepared(spectra, "spectra.tsv", "sample", "binary"),
        Unprepared(orders, "orders.csv", "verspätet", "binary"),
        Unprepared(species, "species.csv", "kind", "multiclass", edits=('merge: {"other": ["elm", "yew"]}',)),
        Unprepared(loans, "loans.parquet", "default", "binary"),
        Unprepared(reviews, "reviews.csv", "stars", "multiclass"),
        Unprepared(trips, "trips.csv.gz", "tip", "regression"),
    )
}
