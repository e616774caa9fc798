"""What a connection to Acme logs in with."""

from leaver.tokens import AppCredentials, Secret


class AcmeCredentials(AppCredentials):
    """The app at Acme."""

    client_secret: Secret
