"""A VTN for tests, a process of its own: openleadr's server, told what to do over a second port.

``python -m tests.servers.vtn_process PORT CONTROL_PORT [OPTIONS as JSON]``
"""

import asyncio
import json
import sys
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from openleadr import OpenADRServer, hooks, objects

VTN, VEN, REGISTRATION = "vtn-of-the-tests", "ven-7", "registration-7"


class Vtn:
    """openleadr's server, with what it heard kept for the test."""

    def __init__(self, port: int, options: dict[str, Any]) -> None:
        self.heard: list[dict[str, Any]] = []
        self.reported: list[tuple[str, str, float]] = []
        self.misbehaves: str | None = None
        self.knows = True
        poll = timedelta(seconds=options.pop("poll_s", 1))
        self.report_s = options.pop("report_s", 0)
        fingerprint = options.pop("ven_fingerprint", None)
        looked_up = {"ven_id": VEN, "ven_name": "hall", "fingerprint": fingerprint}

        def ven_lookup(ven_id: str) -> dict[str, Any] | None:
            known = self.knows and ven_id == VEN
            return {**looked_up, "registration_id": REGISTRATION} if known else None

        self.server = OpenADRServer(
            VTN,
            http_port=port,
            requested_poll_freq=poll,
            ven_lookup=ven_lookup,
            show_fingerprint=False,
            **options,
        )
        self.server.add_handler("on_create_party_registration", self._register)
        self.server.add_handler("on_register_report", self._offered)
        self.server.app.middlewares.append(self._misbehave)
        hooks.register("before_handle", self._hear)

    def _register(self, message: dict[str, Any]) -> Any:
        self.knows = True
        return (VEN, REGISTRATION) if message["ven_name"] == "hall" else False

    def _offered(
        self, ven_id, resource_id, measurement, unit, scale, min_sampling_interval, max_sampling_interval
    ):
        self.heard.append({"kind": "offer", "resource": resource_id, "unit": f"{scale}{unit}"})
        if not self.report_s:
            return None

        def took(values: list[tuple[datetime, float]]) -> None:
            self.reported += [(resource_id, at.isoformat(), value) for at, value in values]

        return took, min_sampling_interval, timedelta(seconds=self.report_s)

    async def _hear(self, kind: str, message: dict[str, Any]) -> None:
        one: dict[str, Any] = {"kind": kind}
        if kind == "oadrCreatedEvent":
            one["opts"] = [
                [str(r["event_id"]), r["modification_number"], r["opt_type"]]
                for r in message["event_responses"]
            ]
        self.heard.append(one)

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.misbehaves == "empty":
            return web.Response(body=b"", content_type="application/xml")
        if self.misbehaves == "rubbish":
            return web.Response(body=b"\x00\xff<oadr><&", content_type="application/xml")
        if self.misbehaves == "page":
            return web.Response(text="<html><body>Please log in</body></html>", content_type="text/html")
        if self.misbehaves == "error":
            return web.Response(status=500, text="out of order")
        return await handler(request)

    async def control(self, request: web.Request) -> web.Response:
        wish = await request.json()
        what = wish.pop("do")
        return web.json_response(
            getattr(self, f"do_{what}")(**wish), dumps=lambda o: json.dumps(o, default=str)
        )

    def do_heard(self) -> Any:
        return {"heard": self.heard, "reported": self.reported}

    def do_misbehave(self, how: str | None) -> Any:
        self.misbehaves = how
        return {}

    def do_forget(self) -> Any:
        self.knows = False
        return {}

    def do_event(
        self, event_id: str, start_s: float, parts: list[list[float]], name: str = "SIMPLE",
        kind: str = "level",
        context: str = "http://utility/dr", resource: str | None = None, test: bool = False,
        status: str = "far", number: int = 0, watts: str | None = None,
    ) -> Any:  # fmt: skip
        """A new event, or one that takes the place of that id; ``parts`` are lengths and values."""
        begin = datetime.fromtimestamp(start_s, UTC)
        intervals, at = [], begin
        for length_s, value in parts:
            length = timedelta(seconds=length_s)
            intervals.append(objects.Interval(dtstart=at, duration=length, signal_payload=value))
            at += length
        measurement = None
        if watts is not None:
            power = objects.PowerAttributes()
            measurement = objects.Measurement(
                "powerReal", "RealPower", "W", scale=watts, power_attributes=power
            )
        event = objects.Event(
            event_descriptor=objects.EventDescriptor(
                event_id=event_id,
                modification_number=number,
                market_context=context,
                event_status=status,
                test_event=test,
            ),
            event_signals=[
                objects.EventSignal(
                    intervals=intervals,
                    signal_name=name,
                    signal_type=kind,
                    signal_id="1",
                    measurement=measurement,
                )
            ],
            targets=[{"resource_id": resource} if resource else {"ven_id": VEN}],
            active_period=objects.ActivePeriod(dtstart=begin, duration=at - begin),
        )
        event.event_descriptor.event_status = status
        known = self.server.events.setdefault(VEN, [])
        known[:] = [one for one in known if one.event_descriptor.event_id != event_id]
        self.server.add_raw_event(VEN, event, callback=_took)
        return {}

    def do_cancel(self, event_id: str) -> Any:
        self.server.cancel_event(VEN, event_id)
        return {}


def _took(ven_id: str, event_id: str, opt_type: str) -> None:
    """openleadr warns without one; what was answered is kept as it is heard."""


async def serve(port: int, control_port: int, options: dict[str, Any]) -> None:
    vtn = Vtn(port, options)
    await vtn.server.run()
    app = web.Application()
    app.router.add_post("/", vtn.control)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", control_port).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    said = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), said))
