"""Configuration files: what is read, and what is refused with which words."""

from __future__ import annotations

import json
import math
from pathlib import Path

import jsonschema
import pytest

from routerd import Router
from routerd.config import ConfigErrors, load, parse, parse_agent, schema
from routerd.core.settings import CategoryFeature, Prices
from routerd.settings import Config

ROOT = Path(__file__).parent.parent
KINDS = "value, thompson, squarecb, ucb, greedy, random, static, rotation, cheapest, weighted_score"

AGENTS = "agents: [{id: small}, {id: large}]\n"


def errors_of(text: str | bytes, tmp_path: Path) -> list[str]:
    """The lines of the refusal of a file that holds `text`; fails when it is accepted."""
    file = tmp_path / "routerd.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigErrors) as refusal:
        load(file)
    return refusal.value.lines()


REFUSED = {
    # shape
    "unknown key": ("agnets: []\n" + AGENTS, "agnets: unknown key; did you mean `agents`?"),
    "unknown key, nothing close": (
        AGENTS + "utility: {zzz: 1}",
        "utility.zzz: unknown key; the keys here are "
        "cost, cost_scale_usd, latency, latency_scale_ms, quality",
    ),
    "missing key": ("agents: [{pool: a}]", "agents[0].id: is missing"),
    "missing top-level key": ("seed: 1", "agents: is missing"),
    "no agent": ("agents: []", "agents: must not be empty"),
    "text for a number": (
        "agents: [{id: a}, {id: b}, {id: c, prices: {input_usd_per_mtok: cheap}}]",
        'agents[2].prices.input_usd_per_mtok: must be a number, not the text "cheap"',
    ),
    "number for a text": (
        "agents: [{id: 7}]",
        "agents[0].id: must be text, not 7: put it in quotes",
    ),
    "nothing for a text": (
        "agents: [{id: a, pool: }]",
        "agents[0].pool: must be text, not nothing",
    ),
    "list for a mapping": (AGENTS + "limits: []", "limits: must be a mapping, not a list"),
    "mapping for a list": ("agents: {id: a}", "agents: must be a list, not a mapping"),
    "fraction for a whole number": (
        AGENTS + "seed: 1.0",
        "seed: must be a whole number, not 1.0",
    ),
    "truth for a number": (AGENTS + "seed: true", "seed: must be a whole number, not true"),
    "below the range": (AGENTS + "utility: {cost: -1}", "utility.cost: must be at least 0, not -1"),
    "above the range": (
        AGENTS + "outcomes: {missing_quality: 1.5}",
        "outcomes.missing_quality: must be at most 1, not 1.5",
    ),
    "no cost at all": (
        AGENTS + "outcomes: {max_cost_usd: 0}",
        "outcomes.max_cost_usd: must be above 0, not 0",
    ),
    "aliases of aliases": (
        "a0: &a0 [x, x]\n"
        + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
        + "agents: *a8",
        "holds more than 200,000 values with its aliases written out",
    ),
    "less money than a price of it can be told for": (
        AGENTS + "budgets: [{id: x, usd: 1.0e-320}]",
        "budgets[0].usd: must be at least 1e-09, not 1e-320",
    ),
    "at an open end": (
        AGENTS + "fallback: {pool_load: 0}",
        "fallback.pool_load: must be above 0, not 0",
    ),
    "hours of less than a millisecond": (
        AGENTS + "outcomes: {window_hours: 1.0e-9}",
        "outcomes.window_hours: must be at least 1e-06, not 1e-09",
    ),
    "minutes of less than a millisecond": (
        AGENTS + "outcomes: {signals: {edited: {quality: 0.4, within_minutes: 1.0e-9}}}",
        "outcomes.signals.edited.within_minutes: must be at least 0.0001, not 1e-09",
    ),
    "places held for less than a millisecond": (
        AGENTS + "limits: {in_flight_minutes: 1.0e-300}",
        "limits.in_flight_minutes: must be at least 0.0001, not 1e-300",
    ),
    "too small to divide by": (
        AGENTS + "policy: {kind: value, spread: 1.0e-300}",
        "policy.spread: must be at least 1e-09, not 1e-300",
    ),
    "more agents than there may be": (
        "agents: [{id: a}, {id: b}]\nlimits: {agents: 1}",
        "agents: are 2; limits.agents is 1: raise it, or list fewer",
    ),
    "empty id": ("agents: [{id: ''}]", "agents[0].id: must not be empty"),
    "empty text": (AGENTS + "listen: ''", "listen: must not be empty"),
    "too short": (
        AGENTS + "signals: {labels: {x: {}}, endpoint: {url: 'http://', model: m}}",
        "signals.endpoint.url: must have at least 8 characters, not 7",
    ),
    "too long": (
        f"agents: [{{id: {'a' * 129}}}]",
        "agents[0].id: must have at most 128 characters, not 129",
    ),
    "character that an id cannot have": (
        "agents: [{id: 'my agent'}]",
        "agents[0].id: must start with an ASCII letter or digit and hold only those and "
        '. _ : / @ + -, not the text "my agent"',
    ),
    "line break after an id": (
        'agents: [{id: "a\\n"}]',
        "agents[0].id: must start with an ASCII letter or digit and hold only those and "
        '. _ : / @ + -, not the text "a\n"',
    ),
    "word that is no choice": (
        AGENTS + "clock: logicl",
        'clock: must be one of caller, logical, wall, not the text "logicl"; '
        "did you mean `logical`?",
    ),
    # tagged unions: one sentence, not one for each branch
    "unknown kind": (
        AGENTS + "policy: {kind: tompson, v_0: 1}",
        f'policy.kind: must be one of {KINDS}, not the text "tompson"; did you mean `thompson`?',
    ),
    "missing kind": (
        AGENTS + "features: [{name: domain}]",
        "features[0].kind: is missing; one of number, category, text, embedding",
    ),
    "kind that is a list": (
        AGENTS + "policy: {kind: [static]}",
        f"policy.kind: must be one of {KINDS}, not a list",
    ),
    "no mapping where a kind is needed": (
        AGENTS + "policy: static",
        'policy: must be a mapping with a `kind`, not the text "static"',
    ),
    "error inside a kind": (
        AGENTS + "policy: {kind: thompson, tau: -3}",
        "policy.tau: must be at least 1e-09, not -3",
    ),
    "error inside an optional section": (
        "agents: [{id: a, prices: {input_usd: 1}}]",
        "agents[0].prices.input_usd: unknown key; did you mean `input_usd_per_mtok`?",
    ),
    # numbers that no decision can use
    "not a number": (
        AGENTS + "utility: {cost: .nan}",
        "utility.cost: must be a finite number, not nan",
    ),
    "infinity": (
        AGENTS + "policy: {kind: value, spread: .inf}",
        "policy.spread: must be a finite number, not inf",
    ),
    "number beyond a double": (
        AGENTS + "utility: {cost: 1e999}",
        "utility.cost: must be a finite number, not inf",
    ),
    "NUL in a text": (
        'agents: [{id: a, model: "a\\0b"}]',
        "agents[0].model: contains a NUL character; remove it",
    ),
    "NUL in a key": (
        'agents: [{id: a, metadata: {"a\\0b": c}}]',
        "agents[0].metadata: the key 'a\\x00b' contains a NUL character; remove it",
    ),
    "half a character in a text": (
        '{"agents": [{"id": "a", "model": "\\ud83d"}]}',
        "agents[0].model: contains half a character, as of a cut emoji; remove it",
    ),
    "half a character in a key": (
        '{"agents": [{"id": "a", "metadata": {"\\ude00": "c"}}]}',
        "agents[0].metadata: the key '\\ude00' contains half a character, as of a cut emoji; "
        "remove it",
    ),
    "half a character in a pattern": (
        '{"agents": [{"id": "a"}], "signals": {"rules": [{"label": "x", "any": ["\\ud83d"]}]}}',
        "signals.rules[0].any[0]: contains half a character, as of a cut emoji; remove it",
    ),
    "a key that is empty": (
        'agents: [{id: a, metadata: {"": c}}]',
        'agents[0].metadata[""]: must not be empty',
    ),
    "too few entries": (
        AGENTS + "cascade: {ladders: [{agents: [small]}]}",
        "cascade.ladders[0].agents: must have at least 2 entries, not 1",
    ),
    "too many entries": (
        f"agents: [{{id: a, metadata: {{{', '.join(f'k{i}: v' for i in range(65))}}}}}]",
        "agents[0].metadata: must have at most 64 entries, not 65",
    ),
    # one section against another
    "a rung that nobody stands on": (
        AGENTS + "cascade: {ladders: [{agents: [small, larg]}]}",
        "cascade.ladders[0].agents[1]: no agent has the id `larg`; did you mean `large`?",
    ),
    "agent twice": (
        "agents: [{id: a}, {id: b}, {id: a}]",
        "agents[2].id: `a` is already the one of agents[0].id",
    ),
    "route to nobody": (
        AGENTS + "static_routes: [{agent: larg}]",
        "static_routes[0].agent: no agent has the id `larg`; did you mean `large`?",
    ),
    "two catch-alls": (
        AGENTS + "static_routes: [{agent: large}, {agent: small, when: {}}]",
        "static_routes[1]: is never reached: static_routes[0] comes before it and is a catch-all",
    ),
    "catch-all before the others": (
        AGENTS + "static_routes: [{agent: large}, {agent: small, when: {work_type: x}}]",
        "static_routes[1]: is never reached: static_routes[0] comes before it and is a catch-all",
    ),
    "two routes for the same tasks": (
        AGENTS + "static_routes: [{agent: large, when: {domain: law, work_type: x}}, "
        "{agent: small, when: {work_type: x, domain: law}}]",
        "static_routes[1]: is never reached: static_routes[0] comes before it and "
        "matches all of its tasks",
    ),
    "feature twice": (
        AGENTS + "features: [{kind: text}, {kind: number, name: description}]",
        "features[1].name: `description` is already the one of features[0].name",
    ),
    "category twice": (
        AGENTS + "features: [{kind: category, name: tier, values: [a, b, a]}]",
        "features[0].values[2]: `a` is already the one of features[0].values[0]",
    ),
    "too many columns": (
        AGENTS + "features: [{kind: category, name: tier, slots: 60}, {kind: number, name: n}, "
        "{kind: category, name: s, values: [a, b, c]}]",
        "features: make 65 columns with the intercept; 64 is the most: lower size, slots or values",
    ),
    "floor that rises": (
        AGENTS + "policy: {kind: thompson, floor: 0.01, floor_min: 0.02}",
        "policy.floor_min: must be at most floor (0.01), not 0.02",
    ),
    "floor below the default least": (
        AGENTS + "policy: {kind: thompson, floor: 0.001}",
        "policy.floor_min: must be at most floor (0.001), not 0.005",
    ),
    "source twice": (
        AGENTS + "outcomes: {sources: [ci, ci]}",
        "outcomes.sources[1]: `ci` is already the one of outcomes.sources[0]",
    ),
    # text that is no configuration
    "empty file": ("", "the file is empty; it needs at least `agents`"),
    "comments only": ("# nothing yet\n", "the file is empty; it needs at least `agents`"),
    "list at the top": ("[1, 2]", "must be a mapping of keys such as `agents`"),
    "key twice": (
        AGENTS + "seed: 1\nseed: 2",
        "line 3: the key `seed` is already given on line 2",
    ),
    "key twice on one line": (
        "agents: [{id: a, id: b}]",
        "line 1: the key `id` is already given on line 1",
    ),
    "key that is a number": (
        AGENTS + "static_routes: [{agent: large, when: {1: x}}]",
        "static_routes[0].when: the key 1 must be text: put it in quotes",
    ),
    "not YAML": (
        "agents:\n  - {id: a",
        "line 2, column 11: not YAML: while parsing a flow mapping, "
        "expected ',' or '}', but got '<stream end>'",
    ),
    "tabs": (
        "agents:\n\t- id: a",
        "line 2, column 1: not YAML: while scanning for the next token, "
        "found character '\\t' that cannot start any token; indent with spaces, not tabs",
    ),
    "an object of Python": (
        "agents: !!python/object:os.system {}",
        "line 1, column 9: not YAML: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object:os.system'",
    ),
    "a set": (
        "agents: [{id: a, capabilities: !!set {x}}]",
        "agents[0].capabilities: must be plain data, not a set",
    ),
    "alias that contains itself": (
        "agents: &a [*a]",
        "nested too deeply, or an alias that contains itself",
    ),
    "not UTF-8": (b"agents: [{id: \xff}]", "not UTF-8 text: byte 15 is 0xff"),
}


@pytest.mark.parametrize(("text", "line"), REFUSED.values(), ids=REFUSED)
def test_one_error_is_one_sentence_with_its_path(
    text: str | bytes, line: str, tmp_path: Path
) -> None:
    """A file with one error is refused with exactly one line: the path and what to do."""
    assert errors_of(text, tmp_path) == [line]


def test_every_error_comes_at_once(tmp_path: Path) -> None:
    """Errors of YAML, of shape and between sections are all told in one refusal."""
    lines = errors_of(
        """
        agents:
          - {id: a, prices: {output_usd_per_mtok: much}}
          - {id: a, id: a}
        static_routes: [{agent: b}]
        features: [{kind: txt}, {kind: category, name: tier, slots: 65}]
        policy: {kind: thompson, v_0: .nan, floor: 0.001}
        clok: wall
        """,
        tmp_path,
    )
    paths = [line.split(":")[0] for line in lines]
    assert sorted(paths) == [
        "agents[0].prices.output_usd_per_mtok",
        "agents[1].id",
        "clok",
        "features[0].kind",
        "features[1].slots",
        "line 4",
        "policy.floor_min",
        "policy.v_0",
        "static_routes[0].agent",
    ]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file and a folder are refused by name, not with a traceback."""
    with pytest.raises(ConfigErrors, match=r"cannot read .*none\.yaml: No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ConfigErrors, match="Is a directory"):
        load(tmp_path)


ACCEPTED = {
    "text of YAML 1.1's false": ("{language: no}", {"language": "no"}),
    "text of YAML 1.1's sexagesimal": ("{at: 12:30}", {"at": "12:30"}),
    "text of YAML 1.1's dates": ("{since: 2026-01-31}", {"since": "2026-01-31"}),
    "merged mapping": ("{<<: {a: x}, b: y}", {"a": "x", "b": "y"}),
}


@pytest.mark.parametrize(("when", "expected"), ACCEPTED.values(), ids=ACCEPTED)
def test_words_stay_words(when: str, expected: dict[str, str], tmp_path: Path) -> None:
    """What YAML 1.2 reads as text is text, though YAML 1.1 had other ideas."""
    file = tmp_path / "routerd.yaml"
    file.write_text(AGENTS + f"static_routes: [{{agent: large, when: {when}}}]")
    assert load(file).static_routes[0].when == expected


def test_json_with_exponents_is_yaml(tmp_path: Path) -> None:
    """A JSON file is a configuration, its numbers in every form that JSON has."""
    data = {"agents": [{"id": "a", "prices": {"input_usd_per_mtok": 1e-7}}], "seed": 2**63 - 1}
    file = tmp_path / "routerd.json"
    file.write_text(json.dumps(data, indent=1))
    config = load(file)
    assert config.agents[0].prices == Prices(input_usd_per_mtok=1e-7)
    assert config.seed == 2**63 - 1


def test_json_with_emoji_is_yaml(tmp_path: Path) -> None:
    """As most programs write it: in ASCII, a character beyond U+FFFF as two escapes."""
    said = {"team \N{ROCKET}": "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{THUMBS UP SIGN}"}
    file = tmp_path / "routerd.json"
    file.write_text(json.dumps({"agents": [{"id": "a", "metadata": said}]}), encoding="ascii")
    assert load(file).agents[0].metadata == said
    with Router.open(file, tmp_path / "data") as router:
        assert router.agents()[0].agent.metadata == said


def test_only_agents_need_to_be_given() -> None:
    """Every key but `agents` has a default."""
    config = parse({"agents": [{"id": "a"}]})
    assert config.agents[0].pool == "default"
    assert config.features == (CategoryFeature(name="work_type"),)
    assert config.listen == "127.0.0.1:7450"


def test_a_typed_configuration_is_checked_like_a_file() -> None:
    """A program that builds a Config is held to the same bounds as a file."""
    config = parse({"agents": [{"id": "a"}], "utility": {"cost": 1}})
    assert parse(config) == config
    with pytest.raises(ConfigErrors, match="agents: must not be empty"):
        parse(Config(agents=()))
    with pytest.raises(ConfigErrors, match=r"utility\.cost: must be a finite number"):
        parse({"agents": [{"id": "a"}], "utility": {"cost": math.nan}})


def test_the_shipped_schema_is_current() -> None:
    """routerd/config.schema.json is what `python -m routerd.config` writes from the settings."""
    shipped = json.loads((ROOT / "routerd/config.schema.json").read_text())
    assert shipped == json.loads(json.dumps(schema()))
    jsonschema.Draft202012Validator.check_schema(shipped)


def test_the_example_is_valid() -> None:
    """routerd.example.yaml can be copied and used as it stands."""
    assert len(load(ROOT / "routerd.example.yaml").agents) == 3


def test_one_agent_is_held_to_the_rules_of_the_file() -> None:
    """An agent that does not come from a file is refused with all errors, and the same words."""
    wrong = {"id": "a b", "pool": "", "prices": {"input_usd_per_mtok": math.nan}, "typ": "x"}
    with pytest.raises(ConfigErrors) as alone:
        parse_agent(wrong)
    with pytest.raises(ConfigErrors) as in_file:
        parse({"agents": [wrong]})
    assert sorted(alone.value.lines()) == sorted(
        line.removeprefix("agents[0].") for line in in_file.value.lines()
    )
    assert len(alone.value.errors) == 4
    assert parse_agent({"id": "a"}) == parse({"agents": [{"id": "a"}]}).agents[0]
