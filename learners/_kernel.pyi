from learners.plain_law import Array

def laws(mean: Array, sd: Array, law: Array, arms: int, floor: float) -> None: ...
def value_of_information(
    mean: Array,
    variance: Array,
    horizon: Array | float,
    gap: Array,
    leads: Array,
    covariance: Array,
    under_way: Array,
    centre: Array,
    sd: Array,
    law: Array,
    noise: float,
    spread: float,
    shorter: float,
    floor: float,
) -> None: ...
def joint(
    ai: Array,
    own: Array,
    pull: Array,
    v: Array,
    r_inv: Array,
    x: Array,
    at: Array,
    mean: Array,
    variance: Array,
    covariance: Array,
    offset: float,
    noise: float,
) -> None: ...
def means(
    ai: Array, own: Array, pull: Array, at: Array, mean: Array, first: int, offset: float
) -> None: ...
def add(
    lam: Array, h: Array, n: Array, yy: Array, x: Array, arm: int, y: float, w: float
) -> None: ...
def learn(
    ai: Array,
    v: Array,
    hm: Array,
    own: Array,
    pull: Array,
    h: Array,
    r_inv: Array,
    x: Array,
    y: float,
    w: float,
) -> bool: ...
def expect(
    n: Array,
    s: Array,
    sums: Array,
    prior: Array,
    mean: Array,
    variance: Array,
    arm: int,
    shift: float,
) -> None: ...
def watch(runs: Array, mean: float, y: float, mark: float) -> float: ...
