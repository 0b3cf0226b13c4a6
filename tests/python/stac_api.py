"""A STAC API over the items of a static collection: paging by GET and POST, CQL2, and faults on demand."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit

CONFORMS = [
    "https://api.stacspec.io/v1.0.0/core", "https://api.stacspec.io/v1.0.0/item-search",
    "https://api.stacspec.io/v1.0.0/ogcapi-features", "https://api.stacspec.io/v1.0.0/collections",
]
FILTER = [
    "https://api.stacspec.io/v1.0.0-rc.2/item-search#filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text", "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
]


class Api:
    """Serves `collection.json` files; `page` items at a time."""

    def __init__(self, *collections, page=2, post=True, filter=True, merge=True, circle=False, refuse_filter=False):
        self.page, self.post, self.filter, self.merge = page, post, filter, merge
        self.circle, self.refuse_filter = circle, refuse_filter
        self.failures = 0
        self.requests = []
        self.collections, self.items, self.files = {}, [], {}
        for path in map(Path, collections):
            collection = json.loads(path.read_text())
            self.collections[collection["id"]] = collection
            for link in collection["links"]:
                if link["rel"] == "item":
                    at = (path.parent / link["href"]).resolve()
                    item = {**json.loads(at.read_text()), "collection": collection["id"]}
                    for asset in item["assets"].values():
                        file = (at.parent / asset["href"]).resolve()
                        name = f"/files/{len(self.files)}{file.suffix}"
                        self.files[name] = file
                        asset["href"] = name
                    item["links"] = []
                    self.items.append(item)
        self.items.sort(key=lambda item: ends(item)[0], reverse=True)

    def __enter__(self):
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                api.answer(self, None)

            def do_HEAD(self):
                api.answer(self, None)

            def do_POST(self):
                api.answer(self, json.loads(self.rfile.read(int(self.headers["content-length"]))))

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def searches(self):
        """What was asked of the search since the last call."""
        found = [query for path, query in self.requests if path == "/search"]
        self.requests.clear()
        return found

    def answer(self, handler, body):
        parts = urlsplit(handler.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.requests.append((parts.path, body if body is not None else query))
        if parts.path in self.files:
            return self.file(handler, self.files[parts.path])
        if self.failures > 0:
            self.failures -= 1
            return send(handler, 503, {"message": "busy"})
        if parts.path == "/":
            return send(handler, 200, self.landing())
        if parts.path == "/collections":
            return send(handler, 200, {"collections": [self.described(id) for id in self.collections], "links": []})
        match = re.fullmatch(r"/collections/([^/]+)(/items)?", parts.path)
        if match and match[1] in self.collections:
            if match[2]:
                return self.search(handler, {**query, "collections": match[1]}, None)
            return send(handler, 200, self.described(match[1]))
        if parts.path == "/search":
            return self.search(handler, query, body)
        return send(handler, 404, {"message": "not found"})

    def landing(self):
        links = [
            {"rel": "self", "href": "/"}, {"rel": "data", "href": "/collections"},
            {"rel": "search", "href": "/search", "type": "application/geo+json", "method": "GET"},
        ]
        if self.post:
            links.append({"rel": "search", "href": "/search", "type": "application/geo+json", "method": "POST"})
        conforms = CONFORMS + (FILTER if self.filter else [])
        return {"type": "Catalog", "stac_version": "1.0.0", "id": "api", "description": "", "conformsTo": conforms, "links": links}

    def described(self, id):
        links = [
            {"rel": "self", "href": f"/collections/{id}"}, {"rel": "root", "href": "/"},
            {"rel": "items", "href": f"/collections/{id}/items", "type": "application/geo+json"},
        ]
        return {**self.collections[id], "links": links}

    def search(self, handler, query, body):
        asked = body if body is not None else query
        if self.refuse_filter and "filter" in asked:
            return send(handler, 400, {"code": "InvalidParameterValue", "description": "no such queryable"})
        found = [item for item in self.items if wanted(item, asked)]
        start, limit = int(asked.get("token", 0)), min(int(asked.get("limit", 10)), self.page)
        page, links = found[start : start + limit], []
        if start + limit < len(found) or self.circle:
            token = start if self.circle else start + limit
            if body is None:
                links.append({"rel": "next", "href": f"{handler.path.split('?')[0]}?{urlencode({**query, 'token': token}, quote_via=quote)}"})
            elif self.merge:
                links.append({"rel": "next", "method": "POST", "href": "/search", "merge": True, "body": {"token": token}})
            else:
                links.append({"rel": "next", "method": "POST", "href": "/search", "body": {**body, "token": token}})
        send(handler, 200, {"type": "FeatureCollection", "features": page, "links": links})

    def file(self, handler, path):
        data = path.read_bytes()
        given = re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers.get("range", ""))
        first, last = (int(given[1]), min(int(given[2]), len(data) - 1)) if given else (0, len(data) - 1)
        handler.send_response(206 if given else 200)
        handler.send_header("content-length", str(last + 1 - first))
        if given:
            handler.send_header("content-range", f"bytes {first}-{last}/{len(data)}")
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(data[first : last + 1])


def send(handler, status, value):
    data = json.dumps(value).encode()
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def ends(item):
    """First and last instant of an item."""
    said = item["properties"]
    return [said["datetime"]] * 2 if said["datetime"] else [said["start_datetime"], said["end_datetime"]]


def wanted(item, asked):
    collections = asked.get("collections")
    if isinstance(collections, str):
        collections = collections.split(",")
    if collections and item["collection"] not in collections:
        return False
    if bbox := asked.get("bbox"):
        west, south, east, north = [float(edge) for edge in (bbox.split(",") if isinstance(bbox, str) else bbox)]
        assert west <= east, "this service knows no antimeridian"
        own = item["bbox"]
        if own[0] > east or own[2] < west or own[1] > north or own[3] < south:
            return False
    if time := asked.get("datetime"):
        start, end = time.split("/")
        first, last = ends(item)
        if (start != ".." and last < start) or (end != ".." and first > end):
            return False
    if filter := asked.get("filter"):
        return holds_text(item, filter) if isinstance(filter, str) else holds(item, filter)
    return True


def holds(item, filter):
    if not isinstance(filter, dict):
        return filter
    if "property" in filter:
        return item["properties"].get(filter["property"])
    op, args = filter["op"], [holds(item, arg) for arg in filter["args"]]
    if op == "and":
        return all(args)
    if op == "or":
        return any(args)
    if args[0] is None:
        return op == "isNull"
    return {
        "=": lambda a, b: a == b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b, "in": lambda a, b: a in b, "isNull": lambda a: False,
        "like": lambda a, b: re.fullmatch(re.escape(b).replace("%", ".*"), a) is not None,
    }[op](*args)


def holds_text(item, filter):
    """The few forms that the tests use."""
    number = re.fullmatch(r'"([\w:]+)" (<=|>=|<|>|=) ([\d.]+)', filter)
    assert number, filter
    return holds(item, {"op": number[2], "args": [{"property": number[1]}, float(number[3])]})
