"""Every check, in the order in which they run."""

from omicsbench.conformance import dynamics, making, outside, simulating
from omicsbench.conformance.contract import Check

CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        outside.light_import,
        making.construction,
        making.parameters,
        making.fit,
        making.progress,
        making.describe,
        simulating.shapes,
        simulating.dtypes,
        simulating.host_arrays,
        simulating.status,
        simulating.start,
        simulating.repeats,
        simulating.batch,
        simulating.one_time,
        simulating.uneven_times,
        simulating.times_outside,
        simulating.late_start,
        dynamics.controls_between,
        dynamics.controls_ends,
        dynamics.field,
        simulating.zeros,
        simulating.divergence,
        simulating.diverging_neighbour,
        making.determinism,
        making.seeds,
        making.fit_ragged,
        making.fit_holes,
        simulating.inputs,
        making.cpu,
        outside.worker,
        outside.footprint,
        outside.timeout,
        outside.gpu,
    )
}
