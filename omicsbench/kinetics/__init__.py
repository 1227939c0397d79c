"""Virtual strains of a kinetic mevalonate pathway: any number of strains, their true field known, no download.

A *world* is one set of constants of the pathway from acetyl-CoA to limonene or isopentenol. A *strain* of it is a
genotype (how much of each enzyme, when) and an inoculum (OD, initial pools). Ten states follow dx/dt = f(x, v),
where v are ten enzymes, OD and the fraction of glucose left; f has no explicit time. Models see what the measured
tasks show: six states (IPP and DMAPP as their sum), the proteins of the pathway, and OD and glucose, without which
dx/dt would not be a function of what they see. Units: mM in the cell, g/L of culture for the product, hours;
enzymes relative to their median plateau. Several Km are effective, not in vitro; ρ, the product that a culture
yields for a mM made in the cell, is set so that final products lie in the range of the measured ones.

The idea, and learning curves over 2, 10 and 100 strains, are those of Costello & Martin 2018 (npj Syst. Biol. Appl.
4:19). Their simulator, ten Michaelis-Menten equations, is not used: with its constants four enzymes carry no flux
and final limonene follows limonene synthase alone (Spearman 0.999), so that one number per strain predicts all.
Here capacities are balanced to the flux and every world must pass a gate (``assess``) before a task may use it.

Everything comes from seeds: ``default_rng([7001, world])`` the constants, ``default_rng([7002, set, k])`` strain k of
a set, ``default_rng([7003, set, k])`` its measurement noise. Set 0 is held out, set 2 assesses
worlds and scales the scores, set 10 + d is draw d of training strains, of which the first n train.
"""

from omicsbench.kinetics.cache import cache_dir, content_key, generator_digest
from omicsbench.kinetics.gate import Gate, assess, require
from omicsbench.kinetics.generator import GENERATOR, POOL, HeldOut, Shown, Times, spread
from omicsbench.kinetics.oracle import Oracle, Revealed
from omicsbench.kinetics.rates import field, jacobian
from omicsbench.kinetics.sampling import DENSE_TIMES, MEASURED_TIMES, NOISE, SCORED_TIMES, Truth, exact, measured
from omicsbench.kinetics.sbml import SbmlStrains, roadrunner_version, sbml_strains
from omicsbench.kinetics.strains import HORIZON, Strains
from omicsbench.kinetics.virtual import (
    GATE,
    HELD_OUT,
    VirtualStrains,
    intervene,
    observe,
    simulate,
    state_names,
    state_units,
    training_set,
    virtual_strains,
)
from omicsbench.kinetics.world import DEFAULT_WORLDS, ENZYMES, INPUTS, STATE_UNITS, STATES, Pathway, World

__all__ = [
    "DEFAULT_WORLDS",
    "DENSE_TIMES",
    "ENZYMES",
    "GATE",
    "GENERATOR",
    "HELD_OUT",
    "HORIZON",
    "INPUTS",
    "MEASURED_TIMES",
    "NOISE",
    "POOL",
    "SCORED_TIMES",
    "STATES",
    "STATE_UNITS",
    "Gate",
    "HeldOut",
    "Oracle",
    "Pathway",
    "Revealed",
    "SbmlStrains",
    "Shown",
    "Strains",
    "Times",
    "Truth",
    "VirtualStrains",
    "World",
    "assess",
    "cache_dir",
    "content_key",
    "exact",
    "field",
    "generator_digest",
    "intervene",
    "jacobian",
    "measured",
    "observe",
    "require",
    "roadrunner_version",
    "sbml_strains",
    "simulate",
    "spread",
    "state_names",
    "state_units",
    "training_set",
    "virtual_strains",
]
