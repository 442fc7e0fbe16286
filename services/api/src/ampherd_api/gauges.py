"""The live picture as Prometheus sees it: built at each scrape, so nothing can go stale unseen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ampherd_core.clock import boot_s
from ampherd_core.phases import LINES
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from ampherd_api.context import Context
from ampherd_api.view import age_s


def exposition(context: Context) -> tuple[bytes, str]:
    """The text of a scrape and its media type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Picture(context))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Picture(Collector):
    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterable[Metric]:
        yield from self._limits()
        yield from self._chargers()
        yield from self._meters()
        yield from self._services()
        yield from self._recorder()
        yield from self._refusals()

    def _limits(self) -> Iterator[Metric]:
        site = self._context.view.site
        for name, help_text in (
            ("limit", "Limit per phase"),
            ("load", "Guard current per phase"),
            ("headroom", "Limit less load per phase"),
        ):
            gauge = GaugeMetricFamily(f"ampherd_{name}_amperes", f"{help_text}, A.", labels=["circuit", "line"])
            for limit in site.document.limits if site is not None else ():
                for line, value in zip(LINES, getattr(limit, f"{name}_a"), strict=True):
                    gauge.add_metric([limit.circuit, line], value)
            yield gauge

    def _chargers(self) -> Iterator[Metric]:
        offer = GaugeMetricFamily("ampherd_charger_offer_amperes", "Offer read back, A.", labels=["charger"])
        power = GaugeMetricFamily("ampherd_charger_power_watts", "Power that the car takes, W.", labels=["charger"])
        drawn = GaugeMetricFamily(
            "ampherd_charger_drawn_amperes", "Current that the car takes, A.", labels=["charger", "line"]
        )
        fallback = GaugeMetricFamily("ampherd_charger_fallback", "1 while no lease holds.", labels=["charger"])
        target = GaugeMetricFamily(
            "ampherd_charger_target_amperes", "Where the offer is heading, A.", labels=["charger"]
        )
        for charger, heard in self._context.view.states.items():
            state = heard.document
            if state.offer_a is not None:
                offer.add_metric([charger], state.offer_a)
            if state.power_w is not None:
                power.add_metric([charger], state.power_w)
            for line, value in zip(LINES, state.drawn_a or (), strict=False):
                drawn.add_metric([charger, line], value)
            fallback.add_metric([charger], float(state.is_fallback))
        for charger, decided in self._context.view.decisions.items():
            target.add_metric([charger], decided.document.target_a)
        yield from (offer, power, drawn, fallback, target)

    def _meters(self) -> Iterator[Metric]:
        age = GaugeMetricFamily("ampherd_meter_age_seconds", "Age of the newest reading, s.", labels=["meter"])
        for meter, heard in self._context.view.readings.items():
            age.add_metric([meter], age_s(heard, boot_s()) or 0.0)
        yield age

    def _services(self) -> Iterator[Metric]:
        online = GaugeMetricFamily("ampherd_service_online", "1 while a service runs.", labels=["service"])
        for service, heard in self._context.view.services.items():
            online.add_metric([service], float(heard.document.is_online))
        yield online
        yield GaugeMetricFamily(
            "ampherd_bus_connected", "1 while the broker hears the api.", value=float(self._context.is_bus_connected())
        )
        yield GaugeMetricFamily("ampherd_live_watchers", "Open live views.", value=self._context.live.watchers)

    def _recorder(self) -> Iterator[Metric]:
        recorder = self._context.recorder
        points = CounterMetricFamily("ampherd_history_points", "Points by what became of them.", labels=["fate"])
        for fate, count in recorder.counts.items():
            points.add_metric([fate], count)
        yield points
        yield GaugeMetricFamily("ampherd_history_waiting", "Points in the Redis stream.", value=recorder.waiting)

    def _refusals(self) -> Iterator[Metric]:
        refused = CounterMetricFamily(
            "ampherd_refused", "What was not taken, by door and cause.", labels=["door", "cause"]
        )
        for door, counts in (("bus", self._context.inbox.wire.refused), ("http", self._context.refused)):
            for cause, count in counts.items():
                refused.add_metric([door, cause], count)
        yield refused
