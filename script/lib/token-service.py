"""An identity provider on loopback that gives Kafka's clients tokens (OAuth 2, client credentials).

usage: token-service.py serve PORT KEY     answers until it is ended; KEY is an RSA key, PEM
       token-service.py keys KEY           prints the public half as a JSON Web Key Set, for the broker

    POST /token?expires_in=SECONDS         a token for whoever asks as NAME with NAME-secret; 300 s without expires_in
    GET /count?client=NAME                 how often NAME has asked so far
"""

import base64
import binascii
import collections
import http.server
import json
import subprocess
import sys
import time
import urllib.parse

KEY_ID = "test"
asked = collections.Counter()


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout


def key_set(key):
    modulus = openssl("rsa", "-in", key, "-noout", "-modulus").decode().strip().partition("=")[2]
    public = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID}
    return {"keys": [public | {"n": base64url(bytes.fromhex(modulus)), "e": base64url(b"\x01\x00\x01")}]}


def token(key, name, lifetime):
    now = int(time.time())
    header = {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
    claims = {"iss": "kafkavisor-test", "aud": "kafka", "sub": name, "iat": now, "exp": now + lifetime}
    signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{base64url(openssl('dgst', '-sha256', '-sign', key, data=signed.encode()))}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, query = self.question()
        if path != "/count":
            return self.answer(404, {"error": f"no such path: {path}"})
        self.answer(200, asked[query.get("client")])

    def do_POST(self):
        path, query = self.question()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if path != "/token":
            return self.answer(404, {"error": f"no such path: {path}"})
        fields = dict(urllib.parse.parse_qsl(body))
        name, secret = self.credentials(fields)
        asked[name] += 1
        if secret != f"{name}-secret":
            return self.answer(401, {"error": "invalid_client"})
        if fields.get("grant_type") != "client_credentials":
            return self.answer(400, {"error": "unsupported_grant_type"})
        lifetime = int(query.get("expires_in", 300))
        answer = {"access_token": token(self.server.key, name, lifetime), "token_type": "Bearer"}
        self.answer(200, answer | {"expires_in": lifetime})

    def question(self):
        address = urllib.parse.urlsplit(self.path)
        return address.path, dict(urllib.parse.parse_qsl(address.query))

    def credentials(self, fields):
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return fields.get("client_id", ""), fields.get("client_secret", "")
        try:
            name, _, secret = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return urllib.parse.unquote(name), urllib.parse.unquote(secret)

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(command, *arguments):
    if command == "keys":
        print(json.dumps(key_set(*arguments)))
        return
    port, key = arguments
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    server.key = key
    server.serve_forever()


main(*sys.argv[1:])
