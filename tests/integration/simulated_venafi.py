"""A Venafi simulator with grants in it, and the calls that the tests of it make."""

from typing import Any

import requests

from local.simulators.venafi import VenafiSimulator
from local.simulators.venafi_state import Role

ROBOT = "local:{11111111-2d77-43af-8f1f-39f1ba132825}"
ADA = "local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}"
BOB = "AD+corp:{22222222-2d77-43af-8f1f-39f1ba132825}"


def set_up(venafi: VenafiSimulator) -> None:
    venafi.add_application("leaver", scope="admin:delete;configuration")
    venafi.add_application("vcert", scope="certificate:manage", owners=[BOB])
    venafi.add_identity(ROBOT, "robot", role=Role.GRANT_ADMIN, password="pass-word", jwt="ey.jwt")
    venafi.add_identity(ADA, "ada", full_name="Ada Lovelace", email="ada@example.com")
    venafi.add_identity(BOB, "bob", full_name="Bob Adams")
    for identity in (ADA, ADA, BOB):
        venafi.authorize("vcert", identity)


def post(venafi: VenafiSimulator, path: str, body: object, token: str = "") -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(f"{venafi.url}/{path}", json=body, headers=headers, timeout=10)


def get(venafi: VenafiSimulator, path: str, token: object = "") -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(f"{venafi.url}/{path}", headers=headers, timeout=10)


def refresh(venafi: VenafiSimulator, refresh_token: object, client_id: str = "leaver") -> requests.Response:
    return post(venafi, "vedauth/authorize/token", {"client_id": client_id, "refresh_token": refresh_token})


def revoke_grants(venafi: VenafiSimulator, token: str, body: object) -> requests.Response:
    return post(venafi, "vedsdk/oauth/RevokeGrants", body, token)


def seen(answer: requests.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()


def refused(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]
