"""What admins may tell a server, where it takes orders: each is written down before it is done (audit.py).

POST /admin/models/shop/load            try again what was refused, and go back to what settings want
POST /admin/models/shop/switch/3        serve version 3, whatever is published; or what another policy wants
POST /admin/models/shop/rollback        serve the version before
POST /admin/drain                       answer what was taken, and end
"""

from stemma.serve.models import Refused
from stemma.serve.routes import Answer, Call, Route, in_json


async def order(call: Call) -> Answer:
    """Done by all workers when it is answered."""
    if call.control is None:
        raise Refused(403, "this server takes no orders: start it with --admin")
    action = call.path.split("/")[4 if "model" in call.named else 2]
    why = await call.control(action, call.named.get("model", ""), call.named.get("policy", ""))
    if why:
        raise Refused(409, why)
    return in_json({"done": action})


MODEL = "/admin/models/{model}"
ROUTES = tuple(
    Route("POST", path, order, scope="admin")
    for path in (f"{MODEL}/load", f"{MODEL}/switch/{{policy}}", f"{MODEL}/rollback", "/admin/drain")
)
