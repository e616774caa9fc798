"""What a connection to Gusto logs in with."""

from pydantic import ConfigDict

from leaver.tokens import AppCredentials, Secret


class GustoCredentials(AppCredentials):
    """The app at Gusto."""

    model_config = ConfigDict(defer_build=True)

    client_secret: Secret
