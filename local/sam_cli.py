"""SAM CLI: builds what would be deployed, and runs one function of it in its container."""

import io
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from docker.errors import DockerException

from local.aws.moto_server import CREDENTIAL
from local.aws.template import REGION, Json
from local.container_engine import PATIENCE, ContainerEngine, Failed, Missing

ROOT = Path(__file__).parents[1]

#: the base image and the two variables that only a local world sets; it stays, as a cache
INVOKE_IMAGE = "localhost/leaver-lambda:3.13"

_ARCHITECTURE = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"

#: what `sam local invoke` may see of our environment: a variable of a function's name would override the template's
_KEPT = ("DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "HOME", "LANG", "XDG_RUNTIME_DIR")


class SamCli:
    """`sam`, with an engine to run containers in and a `folder` for its own files, to be removed by its owner."""

    def __init__(self, engine: ContainerEngine, folder: Path) -> None:
        """Find it beside this interpreter or on the PATH; raises Missing."""
        self._path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        sam = shutil.which("sam", path=self._path)
        if sam is None:
            raise Missing("the AWS SAM CLI: sam is not on the PATH (make .venv/dev installs it)")
        self._sam = sam
        self._folder = folder
        # SAM asks the package index for a newer SAM once a week, unless it believes that it just did.
        (folder / "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}))
        self._environment = {
            "DOCKER_HOST": engine.host,
            "PATH": self._path,
            "SAM_CLI_TELEMETRY": "0",
            "SAM_LAYER_CACHE_BASEDIR": str(folder),
            "TMPDIR": str(folder),
            "__SAM_CLI_APP_DIR": str(folder),
        }

    def build(self) -> None:
        """Build into .aws-sam/build; Failed with SAM's words."""
        # With our whole environment: pip may need it to find its index.
        built = execute([*self._command("build"), "--cached"], env={**os.environ, **self._environment})
        if built.returncode:
            raise Failed(f"sam build:\n{built.stderr}")

    def invoke(
        self, function: str, event: Json, *, environments: Mapping[str, Mapping[str, str]], network: str, aws_url: str
    ) -> tuple[str, str]:
        """Run a function, by its logical id, on `event`; return its answer (see `answer_in`) and all it printed."""
        payload, variables = self._folder / f"{function}.json", self._folder / "env.json"
        payload.write_text(json.dumps(event))
        variables.write_text(json.dumps(environments))
        command = [
            *self._command("local", "invoke", function, "--event", str(payload), "--env-vars", str(variables)),
            *("--docker-network", network, "--invoke-image", INVOKE_IMAGE, "--skip-pull-image"),
        ]
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {
            **self._environment,
            "AWS_ACCESS_KEY_ID": CREDENTIAL,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            # SAM asks who it is before it runs anything: the real AWS, if nobody tells it where to ask.
            "AWS_ENDPOINT_URL_STS": aws_url,
            "AWS_REGION": REGION,
            "AWS_SECRET_ACCESS_KEY": CREDENTIAL,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        finished = execute(command, env=environment)
        return answer_in(finished.stdout), finished.stderr

    def _command(self, *words: str) -> list[str]:
        return [self._sam, *words, "--parameter-overrides", f"Architecture={_ARCHITECTURE}"]


def execute(command: Sequence[str], *, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program in the repository's folder to its end; when we are interrupted, it ends with all its children."""
    with subprocess.Popen(  # noqa: S603 - the commands are our own
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C in the terminal is for us, who then end it.
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=PATIENCE)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def answer_in(stdout: str) -> str:
    """Return what a function answered, as JSON; SAM's exit status is 0 even when the function raised."""
    try:
        answer = json.loads(stdout)
    except ValueError:
        # It was killed: out of time or memory.
        return "no answer"
    if isinstance(answer, dict) and "errorMessage" in answer:
        return f"{answer.get('errorType', 'an error')}: {answer['errorMessage']}"
    return json.dumps(answer)


def make_invoke_image(engine: ContainerEngine, base: str, world: str, aws_port: int) -> None:
    """Build INVOKE_IMAGE from `base`, which the engine fetches if it isn't there; Missing when that fails.

    SAM hands a function only the variables that the template declares, and the template of a deployment must not
    declare where the local AWS is.
    """
    dockerfile = f"FROM {base}\nENV AWS_ENDPOINT_URL=http://{world}:{aws_port} LEAVER_LOCAL_WORLD={world}\n"
    try:
        engine.client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=INVOKE_IMAGE, rm=True)
    except DockerException as error:
        raise Missing(
            f"the image {base}, to run functions in ({error}); SAM_LOCAL_BASE_IMAGE can name another of the same shape"
        ) from None
