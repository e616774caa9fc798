"""Leaver on one machine: template.yaml deployed, the two providers and the HR systems simulated."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from local.aws.template import ACCOUNT, REGION, STACK, Json
from local.control_server import ControlServer
from local.deployment import Deployment
from local.fork_server import ForkServer
from local.http_server import LOOPBACK
from local.simulators.hr import HrSimulator
from local.simulators.venafi import VenafiSimulator
from local.simulators.zoom import ZoomSimulator

TEMPLATE = Path(__file__).parents[1] / "template.yaml"

#: stand for the partner buses, whose real names have slashes, which moto can't address
OKTA_BUS = "okta-partner"
SAILPOINT_BUS = "sailpoint-partner"
#: where notices go, in a world that is told to tell people (parameter `NotifyTopicArn`)
PEOPLE = f"arn:aws:sns:{REGION}:{ACCOUNT}:{STACK}-people"
#: the robot's own: Leaver's search of Venafi is believed where it finds this address
KNOWN_ADDRESS = "leaver-robot@example.com"


@dataclass(frozen=True)
class Ports:
    """Where the world listens; 0: any free port."""

    aws: int = 0
    zoom: int = 0
    venafi: int = 0
    hr: int = 0
    control: int = 0
    door: int = 0


class World(Deployment):
    """Leaver deployed, `zoom`, `venafi` and `hr` answering, `control` open for other processes, until `close`."""

    def __init__(
        self,
        *,
        parameters: Mapping[str, str] | None = None,
        bind: str = LOOPBACK,
        advertise: str = LOOPBACK,
        ports: Ports = Ports(),
        ticking: bool = False,
        consuming: bool = True,
        fork_from: Callable[[tuple[Path, ...]], AbstractContextManager[ForkServer]] = ForkServer,
    ) -> None:
        """Start everything; `parameters` are the template's, over what the world sets itself.

        In a container `bind` is 0.0.0.0 and `advertise` the name by which other containers call this one.
        """
        with ExitStack() as starting:
            self.zoom = starting.enter_context(ZoomSimulator(bind=bind, port=ports.zoom))
            self.venafi = starting.enter_context(VenafiSimulator(bind=bind, port=ports.venafi))
            self.hr = starting.enter_context(HrSimulator(bind=bind, port=ports.hr))
            self.hr_url = f"http://{advertise}:{urlsplit(self.hr.url).port}"
            self.zoom_url = f"http://{advertise}:{urlsplit(self.zoom.url).port}"
            self.venafi_url = f"http://{advertise}:{urlsplit(self.venafi.url).port}"
            own = {
                "FrontDoor": "http-api",
                "OktaEventBusName": OKTA_BUS,
                "SailPointEventBusName": SAILPOINT_BUS,
                "Operators": f"arn:aws:iam::{ACCOUNT}:role/operator",
                "VenafiUrl": self.venafi_url,
                **dict.fromkeys(("BambooHrUrl", "HiBobUrl", "GustoUrl", "OktaUrl"), self.hr_url),
                "VenafiPrefixes": "local",
                "VenafiKnownAddress": KNOWN_ADDRESS,
                "ZoomApiUrl": f"{self.zoom_url}/v2",
                "ZoomOAuthUrl": self.zoom_url,
            }
            super().__init__(
                TEMPLATE,
                own | dict(parameters or {}),
                partner_buses=[OKTA_BUS, SAILPOINT_BUS],
                bind=bind,
                advertise=advertise,
                port=ports.aws,
                api_port=ports.door,
                ticking=ticking,
                consuming=consuming,
                fork_from=fork_from,
            )
            starting.callback(super().close)
            self.client("sns").create_topic(Name=PEOPLE.rpartition(":")[2])
            control = starting.enter_context(ControlServer(self, bind=bind, port=ports.control))
            self.control_url = f"http://{advertise}:{control.port}"
            self._parts = starting.pop_all()

    def close(self) -> None:
        """End everything that was started; nothing is left behind."""
        self._parts.close()

    def told(self) -> list[dict[str, str]]:
        """Return what people were told: text as `default`, the chat app's as `https`, and the `subject`."""
        return self.aws.published(PEOPLE)

    def put_command(self, detail_type: str, detail: Json) -> str:
        """Put a command on the bus, as an operator does, and return the event's id."""
        return self.put_event(STACK, "leaver.command", detail_type, detail)

    def put_hr_event(self, detail_type: str, detail: Json) -> str:
        """Put on the bus what an HR system's webhook brought, as a receiver does, and return the event's id."""
        return self.put_event(STACK, "leaver.hr", detail_type, detail)

    def put_okta_event(self, detail: Json) -> str:
        """Deliver an event of Okta's system log, as Okta does, and return its id."""
        return self.put_partner_event(OKTA_BUS, "aws.partner/okta.com/local/leaver", "SystemLog", detail)

    def put_sailpoint_event(self, detail: Json) -> str:
        """Deliver an event of SailPoint's trigger "Identity Attributes Changed", and return its id."""
        trigger = "identity-attributes-changed"
        return self.put_partner_event(
            SAILPOINT_BUS, f"aws.partner/sailpoint.com/local/idn/{trigger}", f"idn:{trigger}", detail
        )
