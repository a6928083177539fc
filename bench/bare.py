"""What bench/serve.py compares `stemma serve` with: one Starlette route that calls onnxruntime, and checks nothing.

python bench/bare.py MODEL.zip PORT
"""

import sys
from pathlib import Path

import numpy as np
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stemma import runtime
from stemma.bundle import open_bundle

DTYPES = {"number": np.float32, "boolean": np.float32, "date": np.float64, "string": object}


def main() -> None:
    bundle = open_bundle(Path(sys.argv[1]))
    session = runtime.session(bundle.files["model.onnx"])
    inputs = [(each.name, DTYPES[each.type]) for each in bundle.signature.inputs]

    async def predict(request: Request) -> Response:
        rows = orjson.loads(await request.body())
        rows = rows if isinstance(rows, list) else [rows]
        arrays = {name: np.array([[row[name]] for row in rows], dtype) for name, dtype in inputs}
        answer = {"predictions": session.run(None, arrays)[0]}
        return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")

    app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
    quiet = {"access_log": False, "log_config": None, "lifespan": "off", "ws": "none"}
    uvicorn.run(app, port=int(sys.argv[2]), http="httptools", **quiet)


if __name__ == "__main__":
    main()
