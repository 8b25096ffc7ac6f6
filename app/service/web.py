"""The worker's web pages: `/health` for whoever restarts workers, `/metrics` for Prometheus (docs/operations.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client.exposition import choose_encoder

from app.runtime.phase import Phase
from app.wire.instants import format_instant

if TYPE_CHECKING:
    from app.runtime.hosting.app import App
    from app.runtime.intake import Intake
    from app.runtime.partition import Partition
    from app.service.metrics import WorkerMetrics

OK, UNAVAILABLE = 200, 503


def add_pages(app: App, metrics: WorkerMetrics) -> None:
    """Serve `/health` and `/metrics` on the app's own web server; before the app is started."""
    metrics.watch(app.intake)

    async def health_page(view: Any, _request: Any) -> Any:
        status, report = health(app.intake)
        worker = {"application": app.host.application, "version": app.host.version}
        return view.json(worker | report, status=status)

    async def metrics_page(view: Any, request: Any) -> Any:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return view.bytes(encode(metrics.registry), headers={"Content-Type": content_type})

    app.page("/health", name="health")(health_page)
    app.page("/metrics", name="metrics")(metrics_page)


def health(intake: Intake) -> tuple[int, dict[str, Any]]:
    """HTTP status and report of a worker.

    200 and `ready` while the worker is a member of its group and every partition it owns is ready, be it none; else
    503, and `cut off`, `joining` or `not ready`, the first that holds. `partitions` are by processor and number, each as `_report` has it. So are
    `standbys`, whose state is no part of the status: nobody waits for them.
    """
    partitions = [partition for _, partition in sorted(intake.partitions.items())]
    if intake.cut_off:
        status = "cut off"
    elif not intake.joined:
        status = "joining"
    elif all(partition.phase is Phase.READY for partition in partitions):
        status = "ready"
    else:
        status = "not ready"
    report = {
        "status": status,
        "partitions": [_report(intake, partition) for partition in partitions],
        "standbys": [
            {
                "processor": processor,
                "partition": number,
                "phase": standby.phase.value,
                "next_offset": standby.next_offset,
                "lag_offsets": standby.lag,
            }
            for (processor, number), standby in sorted(intake.standbys.units.items())
        ],
    }
    return OK if status == "ready" else UNAVAILABLE, report


def _report(intake: Intake, partition: Partition) -> dict[str, Any]:
    """One partition: its phase, what it has committed since it was opened here, and how far it is.

    `restored_offsets` of `to_restore_offsets` of the changelog are applied; both null but while the state is restored.
    `time` is the partition's time, null before the first record; `lag` the records not applied yet, null while that is
    not known or the worker is cut off; `committed_at` the wall time of the last commit here; `caught_up_at` the wall time by which nothing was left
    to apply, to commit or to fire, null while something is.
    """
    time_ms, caught_up_ms = partition.position.time_ms, intake.caught_up_ms(partition)
    restored, to_restore = intake.restoring.get((partition.processor.name, partition.number), (None, None))
    return {
        "processor": partition.processor.name,
        "partition": partition.number,
        "phase": partition.phase.value,
        "restored_offsets": restored,
        "to_restore_offsets": to_restore,
        "records": partition.committed_records,
        "time": format_instant(time_ms) if time_ms else None,
        "lag": intake.lag(partition),
        "committed_at": format_instant(partition.last_commit_ms) if partition.last_commit_ms else None,
        "caught_up_at": None if caught_up_ms is None else format_instant(caught_up_ms),
    }
