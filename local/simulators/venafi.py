"""Venafi TPP, simulated: vedauth and vedsdk, what a test sets up in it, and what one may ask it."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from werkzeug import Response

from local.simulators import vedauth, vedsdk
from local.simulators.grants import Grants, Rotation, TokenKind
from local.simulators.provider import Call, ProviderSimulator, segments
from local.simulators.venafi_state import Application, Identity, Role, VenafiState

_NOT_FOUND = "<html><head><title>404 - File or directory not found.</title></head><body>Server Error</body></html>"


_ENDPOINTS: dict[tuple[str, str], Callable[[VenafiState, Call], Response]] = {
    ("GET", "vedauth/authorize/isauthserver"): vedauth.is_auth_server,
    ("POST", "vedauth/authorize/certificate"): vedauth.by_certificate,
    ("POST", "vedauth/authorize/jwt"): vedauth.by_jwt,
    ("POST", "vedauth/authorize/oauth"): vedauth.by_password,
    ("POST", "vedauth/authorize/token"): vedauth.refresh,
    ("GET", "vedauth/authorize/verify"): vedauth.verify,
    ("GET", "vedauth/revoke/token"): vedauth.revoke,
    ("POST", "vedsdk/identity/browse"): vedsdk.browse,
    ("POST", "vedsdk/identity/readattribute"): vedsdk.read_attribute,
    ("GET", "vedsdk/identity/self"): vedsdk.self_,
    ("POST", "vedsdk/identity/validate"): vedsdk.validate,
    ("POST", "vedsdk/oauth/enumerateapplications"): vedsdk.enumerate_applications,
    ("POST", "vedsdk/oauth/enumerategrants"): vedsdk.enumerate_grants,
    ("POST", "vedsdk/oauth/getgrants"): vedsdk.get_grants,
    ("POST", "vedsdk/oauth/getrole"): vedsdk.get_role,
    ("POST", "vedsdk/oauth/grantcount"): vedsdk.grant_count,
    ("POST", "vedsdk/oauth/revokegrants"): vedsdk.revoke_grants,
}


class VenafiSimulator(ProviderSimulator[VenafiState]):
    """A Trust Protection Platform host; its `VENAFI_URL` is `url`."""

    CONTROLS: ClassVar[tuple[str, ...]] = (
        *ProviderSimulator.CONTROLS,
        "add_application",
        "add_identity",
        "answer_result",
        "hide_grants",
        "resolve_identities",
        "authorize",
        "delete_identity",
        "live_grants",
        "live_token_kind",
        "live_tokens",
        "set_role",
        "set_rotation",
        "set_scope",
    )

    def __init__(
        self,
        *,
        rotation: Rotation = Rotation.STRICT,
        refresh_kills_access: bool = True,
        access_lifetime: timedelta = timedelta(days=90),
        grant_lifetime: timedelta = timedelta(days=365),
        revoke_grants_scope: str = "admin:delete",
        result_for_no_grants: int = vedsdk.GRANT_NOT_FOUND,
        **provider: Any,
    ) -> None:
        """Begin to serve; `provider` is what every simulator takes (catalogue, clock, ..., tls)."""
        grants = Grants(access_lifetime, None, grant_lifetime, rotation, refresh_kills_access)
        super().__init__(VenafiState(grants, revoke_grants_scope, result_for_no_grants), **provider)

    # -- what a test sets up

    def add_identity(
        self,
        prefixed_universal: str,
        name: str,
        *,
        full_name: str = "",
        email: str = "",
        type: int = 1,  # noqa: A002 - TPP's own name
        role: int = Role.USER,
        password: str | None = None,
        jwt: str | None = None,
        certificate: str | None = None,
    ) -> None:
        """Add a user (type 1) or group (2, 8); `role`: see `Role`.

        They may log in by `password`, by `jwt`, and under TLS by a client's `certificate` (PEM).
        """
        identity = Identity(prefixed_universal, name, full_name, email, type, Role(role), password, jwt, certificate)
        with self._lock:
            self._state.identities[prefixed_universal] = identity

    def delete_identity(self, prefixed_universal: str) -> None:
        """Delete an identity in its directory: nobody finds it any more, and its grants live on."""
        with self._lock:
            del self._state.identities[prefixed_universal]

    def add_application(
        self, application_id: str, *, scope: str, owners: Sequence[str] = (), renewable: bool = True
    ) -> None:
        """Add an OAuth application: its greatest scope, its owners (PrefixedUniversals), whether grants refresh."""
        with self._lock:
            self._state.applications[application_id] = Application(application_id, scope, frozenset(owners), renewable)

    def authorize(self, application_id: str, prefixed_universal: str, scope: str | None = None) -> dict[str, object]:
        """Make one more grant of an identity for an application, with the application's scope unless told.

        Returns the JSON of a `tokens` secret: `access_token`, `refresh_token` (if renewable), `expires_at`, `scope`.
        It is the only answer that ever shows a token.
        """
        with self._lock:
            application = self._state.applications[application_id]
            subject = self._state.identities[prefixed_universal].prefixed_universal
            issued = self._state.grants.authorize(
                application_id,
                subject,
                application.scope if scope is None else scope,
                now=self.now(),
                mint=self._mint,
                renewable=application.renewable,
            )
            return issued.token_set()

    def resolve_identities(self, resolves: bool) -> None:  # noqa: FBT001 - a control has no other words
        """Say whether `ResolveIdentities` brings entries."""
        with self._lock:
            self._state.resolves_identities = resolves

    def hide_grants(self, grants: int) -> None:
        """Let so many grants be counted that no page tells."""
        with self._lock:
            self._state.uncounted = grants

    def set_role(self, prefixed_universal: str, role: int) -> None:
        """Give an identity another OAuth role."""
        with self._lock:
            self._state.identities[prefixed_universal].role = Role(role)

    def set_scope(self, application_id: str, scope: str) -> None:
        """Change what an application may have: for tokens minted from now on, on its present grants too."""
        with self._lock:
            self._state.applications[application_id].scope = scope
            for grant in self._state.live_grants(self.now(), application=application_id):
                grant.scope = scope

    def set_rotation(self, rotation: str) -> None:
        """Choose what becomes of a refresh token used twice: "strict", "grace" or "reuse-detecting"."""
        with self._lock:
            self._state.grants.rotation = Rotation(rotation)

    def answer_result(
        self, result: int, *, success: bool = False, method: str = "RevokeGrants", times: int | None = 1
    ) -> None:
        """Let the next calls of an OAuth method do nothing and answer 200 with this `Result` and `Success`."""
        body = f'{{"Result":{result},"Success":{str(success).lower()}}}'
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        reply = f"{head}Connection: close\r\n\r\n{body}"
        self.inject(f"/vedsdk/oauth/{method}", method="POST", times=times, handling="skip", reply=reply)

    # -- what one may ask

    def live_grants(self, prefixed_universal: str | None = None, application_id: str | None = None) -> int:
        """Count the grants on which something still works, of an identity, of an application, of both, or all."""
        with self._lock:
            return len(self._state.live_grants(self.now(), prefixed_universal, application_id))

    def live_tokens(self, application_id: str | None = None) -> dict[TokenKind, list[str]]:
        """Return the SHA-256 digests of the `access` and `refresh` tokens that work now, of one application or all."""
        with self._lock:
            return self._state.grants.live_tokens(self.now(), application_id)

    def live_token_kind(self, digest: str) -> TokenKind | None:
        """Tell whether the token with this SHA-256 (hex) works: "access" or "refresh"; None: it does not."""
        return next((kind for kind, digests in self.live_tokens().items() if digest in digests), None)

    # -- how it answers

    def _handle(self, state: VenafiState, call: Call) -> Response:
        # TPP matches method names in any letter case.
        endpoint = _ENDPOINTS.get((call.request.method, "/".join(segments(call.request)).lower()))
        return Response(_NOT_FOUND, status=404, mimetype="text/html") if endpoint is None else endpoint(state, call)
