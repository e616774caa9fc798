"""What a connection to Zoom logs in with."""

from leaver.tokens import AppCredentials, Filled, Secret


class ZoomCredentials(AppCredentials):
    """The app at Zoom; `account_id` for server-to-server OAuth."""

    client_secret: Secret
    account_id: Filled | None = None
