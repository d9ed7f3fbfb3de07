"""Presidio Analyzer's engine behind its HTTP API, as its own image serves it, on a free port of this machine.

Needs `pip install presidio-analyzer flask` and a spaCy model, whose name is the first argument. Prints the port as its first line.
"""

import json
import logging
import sys

from flask import Flask, Response, request
from presidio_analyzer import AnalyzerEngine, AnalyzerRequest
from presidio_analyzer.nlp_engine import NlpEngineProvider
from werkzeug.serving import make_server

models = [{"lang_code": "en", "model_name": sys.argv[1]}]
engine = AnalyzerEngine(
    nlp_engine=NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models}).create_engine(),
    supported_languages=["en"],
)
app = Flask(__name__)
logging.getLogger("werkzeug").setLevel(logging.ERROR)


@app.route("/analyze", methods=["POST"])
def analyze():
    try:
        asked = AnalyzerRequest(request.get_json())
        found = engine.analyze(
            text=asked.text, language=asked.language, entities=asked.entities, score_threshold=asked.score_threshold
        )
    except Exception as error:  # As Presidio's own server: a JSON object with what went wrong.
        return {"error": str(error)}, 500
    body = json.dumps(found, default=lambda result: result.to_dict(), sort_keys=True)
    return Response(body, content_type="application/json")


server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
