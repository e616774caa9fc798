"""What is no bundle of CA certificates is refused by its name, and read anew until it is one."""

from pathlib import Path

import pytest

from leaver.errors import Rejected
from leaver.providers.ca_bundle import CaBundle
from tests.doubles.certificates import authority

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "MIIB",
        f"{BEGIN}\\nMIIB\\n{END}\\n",
        f"{BEGIN}\nMIIB",
        f"{BEGIN}\nMIIB\n{END}\n",
        f"{BEGIN}\nno base64 at all\n{END}\n",
        "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
        "0\x82\x03",
        "venafi-ca.pem",
    ],
)
def test_what_is_no_pem_is_refused_by_the_bundles_name(text: str) -> None:
    with pytest.raises(Rejected, match=r"^secret venafi-ca: holds no certificates in PEM$"):
        CaBundle("secret venafi-ca", lambda: text).context()


def test_a_file_that_is_not_there_yet_is_read_when_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "bundle.pem"
    bundle = CaBundle.in_file(path)
    with pytest.raises(Rejected, match=rf"^file {path}: can't be read$"):
        bundle.context()
    path.write_bytes(authority(tmp_path, "ours").bundle.read_bytes())
    assert len(bundle.context().get_ca_certs()) == 1
