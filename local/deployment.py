"""Deploys a template on this machine: its resources to moto, its functions to processes, its events to functions."""

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from local.api_destination import ApiDestination
from local.asynchronous_invocation import AsynchronousInvocation
from local.aws.builders import as_text, on_its_way
from local.aws.moto_server import CREDENTIAL, MotoServer
from local.aws.stack import Resource, Stack
from local.aws.template import REGION, Json, Template
from local.closes import Closes
from local.cloudwatch_logs import CloudWatchLogs
from local.event_source_mapping import EventSourceMapping
from local.fork_server import ForkServer
from local.http_api import HttpApi
from local.http_server import LOOPBACK
from local.runtime_api import Function, RunningFunction
from local.schedule import Schedule

#: how often `wait_until` asks at first and in the end, seconds
_ASK_S, _ASK_AT_MOST_S = 0.02, 0.2


class Deployment(Closes):
    """What `sam deploy` would leave in an account, from construction until `close`.

    A function goes by the name of its folder (`revoke_sso_token`), every other resource by its logical id.
    """

    def __init__(
        self,
        template: Path,
        parameters: Mapping[str, str],
        *,
        partner_buses: Iterable[str] = (),
        bind: str = LOOPBACK,
        advertise: str = LOOPBACK,
        port: int = 0,
        api_port: int = 0,
        ticking: bool = False,
        consuming: bool = True,
        fork_from: Callable[[tuple[Path, ...]], AbstractContextManager[ForkServer]] = ForkServer,
    ) -> None:
        """Build and start everything.

        `partner_buses` exist before the stack does; AWS listens on `bind`:`port` (0: any) and is called `advertise` by
        the functions, the template's HTTP API listens on `bind`:`api_port`; with `ticking` the schedules fire by the
        clock, otherwise only when told to; without `consuming` what comes into the queues is left to somebody else's
        functions; `fork_from` gives the process that functions with these layers are forked from.
        """
        with ExitStack() as starting:
            self._folder = Path(starting.enter_context(tempfile.TemporaryDirectory(prefix="leaver-")))
            self.aws = starting.enter_context(MotoServer(bind=bind, advertise=advertise, port=port))
            for bus in partner_buses:
                self.client("events").create_event_bus(Name=bus)
            self._http_api = starting.enter_context(HttpApi(bind=bind, port=api_port))
            self.api_url = f"http://{advertise}:{self._http_api.port}"
            self.stack = Stack(Template(template, parameters), self.aws, self.api_url)
            self._environment = {
                "AWS_ACCESS_KEY_ID": CREDENTIAL,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_ENDPOINT_URL": self.aws.url,
                "AWS_REGION": REGION,
                "AWS_SECRET_ACCESS_KEY": CREDENTIAL,
                "LEAVER_LOCAL_WORLD": advertise,
            }
            # A developer's ~/.aws/config is none of a function's business.
            environment = self._environment | {"HOME": str(self._folder)}
            declared = list(self._declared_functions(template.parent))
            processes = {
                layers: starting.enter_context(fork_from(layers)) for layers in {each.layers for each in declared}
            }
            self.functions = {
                each.folder.name: RunningFunction(
                    each,
                    self._folder / f"{each.name}.log",
                    # Any key is good for moto; by this one a call tells whose it is.
                    environment | {"AWS_ACCESS_KEY_ID": each.name},
                    processes[each.layers],
                )
                for each in declared
            }
            self._mappings = {
                name: self._mappings_of(function) if consuming else [] for name, function in self.functions.items()
            }
            self._addresses = list(self._mappings_of_addresses())
            self._starts = {name: self._start_of(function) for name, function in self.functions.items()}
            self._schedules = {name: self._schedules_of(name) for name in self.functions}
            by_arn = {each.function.arn: each.invoke for each in self.functions.values()}
            self._http_api.open(self.stack, by_arn)
            logs = {f"/aws/lambda/{each.name}": self._folder / f"{each.name}.log" for each in declared}
            starting.enter_context(CloudWatchLogs(self.client("logs"), logs))
            # What is registered last ends first: polls, schedules and functions, and then those who wait for functions.
            for start in self._starts.values():
                starting.callback(start.stop)
            for mapping in self._all_mappings():
                starting.callback(mapping.wait)
                mapping.start()
            for function in self.functions.values():
                starting.enter_context(function)
            for schedule in chain.from_iterable(self._schedules.values()):
                starting.callback(schedule.stop)
                if ticking:
                    schedule.tick()
            for mapping in self._all_mappings():
                starting.callback(mapping.stop)
            self._ending = starting.pop_all()

    # -- what there is

    def client(self, service: str) -> Json:
        """Return a boto3 client of `service` for the local AWS."""
        return self.aws.client(service)

    def resource(self, logical_id: str) -> Resource:
        """Return what the template calls so; KeyError when there is no such thing."""
        return self.stack[logical_id]

    def queue_urls(self, function: str) -> dict[str, str]:
        """Return the URLs of the queues that start a function by lane: "routine", "urgent", one of them or none."""
        lanes = {f"{camel(function)}Queue": "routine", f"{camel(function)}UrgentQueue": "urgent"}
        queues = self.stack.of_type("AWS::SQS::Queue")
        return {lanes[queue.logical_id]: queue.ref for queue in queues if queue.logical_id in lanes}

    def queue_url(self, function: str) -> str:
        """Return the URL of a function's queue, of two the routine one."""
        return self.resource(f"{camel(function)}Queue").ref

    def dead_letter_queue_url(self, function: str) -> str:
        """Return the URL of a function's dead-letter queue."""
        return self.resource(f"{camel(function)}DeadLetterQueue").ref

    def api_urls(self) -> list[str]:
        """Return the addresses of the HTTP API's own routes; what is in braces is for the caller to fill in."""
        return [f"{self.api_url}{path}" for path in self._http_api.paths]

    def logs(self, function: str) -> str:
        """Return all that a function has printed so far."""
        return self.functions[function].log()

    def environment(self) -> dict[str, str]:
        """Return the variables that every program here needs besides the template's: where AWS is, and credentials."""
        return dict(self._environment)

    def environments(self) -> dict[str, dict[str, str]]:
        """Return the variables of each function by its logical id: the template's, and where AWS is."""
        names = {resource.ref: resource.logical_id for resource in self.stack.of_type("AWS::Lambda::Function")}
        functions = [running.function for running in self.functions.values()]
        return {names[function.name]: self._environment | dict(function.environment) for function in functions}

    # -- what happens

    def put_event(self, bus: str, source: str, detail_type: str, detail: Json, *, resources: Iterable[str] = ()) -> str:
        """Put an event on a bus as any program does, and return its id; RuntimeError when the bus refuses it."""
        entry = {
            "EventBusName": bus,
            "Source": source,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "Resources": list(resources),
        }
        answer = self.client("events").put_events(Entries=[entry])["Entries"][0]
        if "EventId" not in answer:
            raise RuntimeError(f"{answer['ErrorCode']}: {answer['ErrorMessage']}")
        return str(answer["EventId"])

    def put_partner_event(
        self, bus: str, source: str, detail_type: str, detail: Json, *, at: datetime | None = None
    ) -> str:
        """Deliver an event as a SaaS partner, whose sources begin with `aws.partner/`, and return its id.

        KeyError when there is no such bus.
        """
        if bus not in self.aws.events.event_buses:
            raise KeyError(f"event bus {bus}")
        entry = {
            "EventBusName": bus,
            "Source": source,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "Time": (at or datetime.now(UTC)).timestamp(),
        }
        with self.aws.lock:
            return str(self.aws.events.put_events([entry])[0]["EventId"])

    def fire_schedule(self, function: str) -> None:
        """Start a function as its schedule would, and come back at once; see `idle`."""
        for schedule in self._schedules[function]:
            schedule.fire()

    def hurry(self) -> None:
        """Make every message that waits for its next attempt visible now, as if its visibility timeout had passed."""
        for mapping in self._all_mappings():
            mapping.hurry()

    def kill(self, function: str) -> None:
        """End a function's process at once (SIGKILL); its next event starts a new one."""
        self.functions[function].kill()

    # -- waiting

    def wait_until_idle(self, timeout: float = 60) -> None:
        """Wait until no function has anything to do; a message that waits for its next attempt is something to do."""
        self.wait_until(lambda: not self.work(), timeout, what=lambda: f"still to do: {self.work()}")

    def settle(self, timeout: float = 60) -> None:
        """Wait until nothing moves before a visibility timeout is over; see `hurry`."""
        self.wait_until(lambda: not self._moving(), timeout, what=lambda: f"still under way: {self._moving()}")

    def wait_until(
        self,
        condition: Callable[[], object],
        timeout: float = 60,
        *,
        what: Callable[[], str] = lambda: "it did not happen",
    ) -> None:
        """Ask `condition` until it is true; TimeoutError, saying `what`, after `timeout` seconds."""
        began = time.monotonic()
        while not condition():
            waited = time.monotonic() - began
            if waited > timeout:
                raise TimeoutError(what())
            for mapping in self._all_mappings():
                if not mapping.alive:
                    raise RuntimeError(f"nobody polls {mapping.queue_name} any more; the reason was printed")
            # To ask takes computing from the work that is waited for.
            time.sleep(min(max(_ASK_S, waited / 10), _ASK_AT_MOST_S))

    def work(self) -> dict[str, int]:
        """Return how many messages and starts each function has, waiting or under way, if any."""
        with self.aws.lock:
            counts = {
                name: sum(mapping.left for mapping in mappings) + self._starts[name].busy
                for name, mappings in self._mappings.items()
            }
            counts |= {each.queue_name: each.left for each in self._addresses}
        return {name: count for name, count in counts.items() if count}

    def _moving(self) -> list[str]:
        with self.aws.lock:
            return [
                name
                for name, mappings in self._mappings.items()
                if self._starts[name].busy or any(mapping.moving for mapping in mappings)
            ] + [each.queue_name for each in self._addresses if each.moving]

    # -- its end

    def close(self) -> None:
        """End everything that was started; nothing is left behind."""
        self._ending.close()

    # -- how the template's words become its parts

    def _declared_functions(self, root: Path) -> Iterable[Function]:
        layers = {
            layer.ref: root / layer.properties["Content"]["S3Key"] / "python"
            for layer in self.stack.of_type("AWS::Lambda::LayerVersion")
        }
        for resource in self.stack.of_type("AWS::Lambda::Function"):
            properties = resource.properties
            variables = properties.get("Environment", {}).get("Variables", {})
            yield Function(
                name=resource.ref,
                arn=resource.attributes["Arn"],
                folder=root / properties["Code"]["S3Key"],
                layers=tuple(layers[arn] for arn in properties.get("Layers", [])),
                handler=properties["Handler"],
                timeout=properties.get("Timeout", 3),
                memory=properties.get("MemorySize", 128),
                log_format=properties.get("LoggingConfig", {}).get("LogFormat", "Text"),
                environment={name: as_text(value) for name, value in variables.items()},
            )

    def _mappings_of(self, running: RunningFunction) -> list[EventSourceMapping]:
        return [
            EventSourceMapping(
                self.aws,
                mapping.properties["EventSourceArn"].rsplit(":", 1)[-1],
                running.invoke,
                batch_size=mapping.properties.get("BatchSize", 10),
                reports_item_failures="ReportBatchItemFailures" in mapping.properties.get("FunctionResponseTypes", []),
            )
            for mapping in self.stack.of_type("AWS::Lambda::EventSourceMapping")
            if mapping.properties["FunctionName"] == running.function.name
        ]

    def _mappings_of_addresses(self) -> Iterable[EventSourceMapping]:
        by_arn = {each.attributes["Arn"]: each for each in self.stack.of_type("AWS::Events::ApiDestination")}
        connections = {each.attributes["Arn"]: each for each in self.stack.of_type("AWS::Events::Connection")}
        queues = {each.attributes["Arn"]: each.ref for each in self.stack.of_type("AWS::SQS::Queue")}
        for rule in self.stack.of_type("AWS::Events::Rule"):
            for target in rule.properties["Targets"]:
                if destination := by_arn.get(target["Arn"]):
                    address = ApiDestination(
                        self.aws,
                        rule.attributes["Arn"],
                        target,
                        destination=destination.properties,
                        connection=connections[destination.properties["ConnectionArn"]].properties,
                        dead_letters=queues[target["DeadLetterConfig"]["Arn"]],
                    )
                    yield EventSourceMapping(
                        self.aws, on_its_way(rule.ref, target), address.post, batch_size=1, reports_item_failures=False
                    )

    def _start_of(self, running: RunningFunction) -> AsynchronousInvocation:
        configuration: Mapping[str, Json] = {}
        for resource in self.stack.of_type("AWS::Lambda::EventInvokeConfig"):
            if resource.properties["FunctionName"] == running.function.name:
                configuration = resource.properties
        on_failure = configuration.get("DestinationConfig", {}).get("OnFailure")
        return AsynchronousInvocation(
            self.aws,
            running.function.arn,
            running.invoke,
            retries=configuration.get("MaximumRetryAttempts", 2),
            on_failure_queue=on_failure["Destination"].rsplit(":", 1)[-1] if on_failure else None,
        )

    def _schedules_of(self, function: str) -> list[Schedule]:
        return [
            Schedule(rule.attributes["Arn"], rule.properties["ScheduleExpression"], self._starts[function].start)
            for rule in self.stack.of_type("AWS::Events::Rule")
            if "ScheduleExpression" in rule.properties
            for target in rule.properties["Targets"]
            if target["Arn"] == self.functions[function].function.arn
        ]

    def _all_mappings(self) -> list[EventSourceMapping]:
        return [*chain.from_iterable(self._mappings.values()), *self._addresses]


def camel(name: str) -> str:
    """Return a function's name as the template begins the names of all that belongs to it."""
    return "".join(word.capitalize() for word in name.split("_"))
