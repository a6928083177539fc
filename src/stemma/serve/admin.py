"""What admins may tell a server, where it takes orders: each is written down before it is done (audit.py).

POST /admin/models/shop/load            try again what was refused, and go back to what settings want
POST /admin/models/shop/switch/3        serve version 3, whatever is published; or what another policy wants
POST /admin/models/shop/rollback        serve the version before
POST /admin/models/shop/withdraw/3?why=errors    take version 3 out of service until somebody loads it again
POST /admin/models/shop/split?v2=0.1    a tenth of the calls that name no version; `&by=header:x-user&name=winter`
POST /admin/models/shop/shadow?v2=1     it gets copies, and answers nobody; without a version, none does any more
POST /admin/drain                       answer what was taken, and end
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from stemma.serve.models import Model, Refused, Split
from stemma.serve.routes import Answer, Call, Route, in_json
from stemma.serve.scopes import Scope
from stemma.text import nearest


async def order(call: Call) -> Answer:
    """Done by all workers when it is answered."""
    action = call.path.split("/")[4 if "model" in call.named else 2]
    return await _done(call, action, action, call.named.get("model", ""), call.named.get("policy", ""))


async def withdraw(call: Call) -> Answer:
    """Serve the version before, in the version's shares and labels too."""
    why = _told(call).get("why") or "an order without a reason"
    return await _done(call, "withdraw", "withdraw", call.named["model"], call.named["version"], why[:1000])


async def split(call: Call) -> Answer:
    """Share out who names no version, of a model, or the first; the shares of versions that are not told stay."""
    model, told = _asked(call)
    before, found = model.split or Split(), None
    by, name = told.pop("by", before.by), told.pop("name", before.name)
    if shares := _shares(model, told):
        kept = {str(before.numbers.get(text, text)): share for text, share in before.shares.items()}
        found = {"versions": kept | shares, "by": by, "name": name}
        column = Split(name, by).column
        if column and column not in model.columns:
            raise Refused(409, f"{model.name} has no column {column[:100]!r}{nearest(column, model.columns)}")
    return await _done(call, "split", "share", model.name, {"split": found})


async def shadow(call: Call) -> Answer:
    """Send copies of calls to versions that answer nobody; as `split`."""
    model, told = _asked(call)
    shares = _shares(model, told)
    kept = {str(number): share for number, share in model.shadows.items()} if shares else {}
    return await _done(call, "shadow", "share", model.name, {"shadow": kept | shares})


async def _done(call: Call, name: str, *action: Any) -> Answer:
    await call.order(*action)
    return in_json({"done": name})


def _asked(call: Call) -> tuple[Model, dict[str, str]]:
    return call.models.model(call.named.get("model")), _told(call)


def _told(call: Call) -> dict[str, str]:
    return dict(parse_qsl(call.query.decode("latin-1"), keep_blank_values=True))


def _shares(model: Model, told: Mapping[str, str]) -> dict[str, float]:
    """By the numbers of versions: all of them are in service, and one more, that answers the rest."""
    found = {}
    for text, share in told.items():
        number = model.number(text)
        if number is None:
            raise Refused(
                409, f"version {text[:100]} of {model.name} is not in service: switch to it beside the others"
            )
        try:
            found[str(number)] = float(share)
        except ValueError:
            raise Refused(400, f"{text[:100]}={share[:100]} is no share between 0 and 1") from None
    if not model.versions.keys() - model.tried - set(map(int, found)):
        raise Refused(409, f"{model.name} has no other version in service that answers the rest")
    return found


MODEL = "/admin/models/{model}"
ORDERS = {
    order: (f"{MODEL}/load", f"{MODEL}/switch/{{policy}}", f"{MODEL}/rollback", "/admin/drain"),
    withdraw: (f"{MODEL}/withdraw/{{version}}",),
    split: (f"{MODEL}/split", "/admin/split"),
    shadow: (f"{MODEL}/shadow", "/admin/shadow"),
}
ROUTES = tuple(Route("POST", path, does, scope=Scope.ADMIN) for does, paths in ORDERS.items() for path in paths)
