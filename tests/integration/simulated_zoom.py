"""A Zoom simulator with an account in it, and the calls that the tests of it make."""

import hashlib
import socket
from urllib.parse import urlsplit

import requests

from local.simulators.zoom import ZoomSimulator

ADA = "KDcuGIm1QgePTO8WbOqwIQ"
CLIENT = ("leaver-client", "s3cret")
ADMIN_SCOPES = [
    "user:read:user:admin",
    "user:read:token:admin",
    "user:delete:token:admin",
    "user:update:status:admin",
]


def set_up(zoom: ZoomSimulator) -> None:
    zoom.add_account("acme")
    zoom.add_app(*CLIENT, account_id="acme", scopes=ADMIN_SCOPES)
    zoom.add_app("s2s-client", "s2s-s3cret", account_id="acme", scopes=ADMIN_SCOPES, server_to_server=True)
    zoom.add_user(ADA, "ada@example.com", account_id="acme")
    zoom.add_user("installer", "it@example.com", account_id="acme")


def sha256(secret: object) -> str:
    return hashlib.sha256(str(secret).encode()).hexdigest()


def refresh(zoom: ZoomSimulator, refresh_token: object) -> requests.Response:
    form = {"grant_type": "refresh_token", "refresh_token": str(refresh_token)}
    return requests.post(f"{zoom.url}/oauth/token", data=form, auth=CLIENT, timeout=10)


def get_user(zoom: ZoomSimulator, access_token: object) -> requests.Response:
    headers = {"Authorization": f"Bearer {access_token}"}
    return requests.get(f"{zoom.api_url}/users/{ADA}", headers=headers, timeout=10)


def end_session(zoom: ZoomSimulator, bearer: dict[str, str], user: str = ADA) -> requests.Response:
    return requests.delete(f"{zoom.api_url}/users/{user}/token", headers=bearer, timeout=10)


def get_token(zoom: ZoomSimulator, bearer: dict[str, str], user: str = ADA, **query: str) -> requests.Response:
    return requests.get(f"{zoom.api_url}/users/{user}/token", params=query, headers=bearer, timeout=10)


def exchange(zoom: ZoomSimulator, request: bytes) -> bytes:
    """Speak to the simulator without an HTTP library that would tidy anything up."""
    address = urlsplit(zoom.url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def revoke(zoom: ZoomSimulator, token: object) -> requests.Response:
    return requests.post(f"{zoom.url}/oauth/revoke", data={"token": str(token)}, auth=CLIENT, timeout=10)
