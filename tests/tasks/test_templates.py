"""What templates take from a plan run, what they refuse, and that nothing is expanded twice."""

from __future__ import annotations

from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langwire.errors import InvalidPlan
from langwire.tasks.templates import MAX_LEVELS, names_in, render, render_value

VALUES: dict[str, Any] = {
    "tasks": {"draft": "a fox", "facts": {"legs": 4, "names": ["ü", None]}, "nothing": None, "files": "is a name too"},
    "files": {"draft": ("a.md", "notes/b.md"), "facts": ()},
    "inputs": {"topic": "foxes", "count": 3, "tags": ["a"]},
    "secrets": {"token": "s3cret"},
}

TEXTS = [
    ("", ""),
    ("no form, { one } brace, }} and }", "no form, { one } brace, }} and }"),
    ("{{ tasks.draft }}", "a fox"),
    ("{{tasks.draft}}{{ \ttasks.draft}}", "a foxa fox"),
    ("<{{ tasks.facts }}>", '<{"legs":4,"names":["ü",null]}>'),
    ("<{{ tasks.nothing }}>", "<null>"),
    ("{{ tasks.files }}", "is a name too"),
    ("{{ tasks.draft.files }}", "a.md\nnotes/b.md"),
    ("<{{ tasks.facts.files }}>", "<>"),
    ("{{ input.topic }}, {{ input.count }}, {{ input.tags }}", 'foxes, 3, ["a"]'),
    ("Bearer {{ secrets.token }}", "Bearer s3cret"),
    ("{{{{", "{{"),
    ("{{{{ tasks.draft }}", "{{ tasks.draft }}"),
    ("{{{{{{ tasks.draft }}", "{{a fox"),
    ("{{{{{{{{ and {", "{{{{ and {"),
    ("{{{{{", "{{{"),
    ("{ {{ tasks.draft }} }", "{ a fox }"),
]

NO_FORMS = [
    "{{",
    "{{ }}",
    "{{}}",
    "{{{ tasks.draft }}}",
    "{{ tasks.draft",
    "{{ tasks.draft }",
    "{{ tasks }}",
    "{{ tasks. }}",
    "{{ tasks.draft.result }}",
    "{{ tasks.draft.files.first }}",
    "{{ input.topic.files }}",
    "{{ secrets.token.files }}",
    "{{ inputs.topic }}",
    "{{ Tasks.draft }}",
    "{{ tasks.draft | upper }}",
    "{{ tasks['draft'] }}",
    "{{ tasks.-draft }}",
    "{{ tasks.dräft }}",
    "{{ tasks." + "x" * 65 + " }}",
    "{{\ntasks.draft }}",
    "{{ tasks .draft }}",
    "{{ 1 + 1 }}",
    "{{ env.HOME }}",
    "{{{{ fine }} {{ not }}",
]


@pytest.mark.parametrize(("template", "text"), TEXTS)
def test_forms_become_what_they_name(template: str, text: str) -> None:
    assert render(template, **VALUES) == text


@pytest.mark.parametrize("template", NO_FORMS)
def test_anything_else_behind_two_braces_is_refused_everywhere(template: str) -> None:
    for work in (names_in, lambda text: render(text, **VALUES), lambda text: render_value(text, **VALUES)):
        with pytest.raises(InvalidPlan, match=r"^(['\"])\{\{.*\1 came in a template: expected "):
            work(template)


def test_a_refusal_names_the_form_and_not_what_follows() -> None:
    with pytest.raises(InvalidPlan, match=r"^'\{\{ env\.HOME \}\}' came in a template: [^\n]*$"):
        names_in("Read {{ env.HOME }} and {{ tasks.draft }}\n")


@pytest.mark.parametrize("form", ["{{ tasks.x }}", "{{ tasks.x.files }}", "{{ input.x }}", "{{ secrets.x }}"])
def test_a_name_without_a_value_is_refused_and_names_are_told_but_no_values(form: str) -> None:
    for work in (render, render_value):
        with pytest.raises(InvalidPlan, match="has no value here: expected one of these") as refusal:
            work(form, **VALUES)
        assert form in str(refusal.value)
        assert "s3cret" not in str(refusal.value)
    with pytest.raises(InvalidPlan, match=r"none$"):
        render(form, tasks={}, files={}, inputs={}, secrets={})


def test_what_was_put_in_is_never_looked_at_again() -> None:
    """A model's answer that asks for a secret gets none."""
    bait = "{{ secrets.token }} {{{{ {{ input.topic }} {{ nonsense"
    values = {**VALUES, "tasks": {"draft": bait, "deep": {"list": [bait]}}}
    assert render("{{ tasks.draft }}{{ tasks.draft }}", **values) == bait + bait
    assert render_value({"a": "{{ tasks.draft }}", "b": ["{{ tasks.deep }}"]}, **values) == {
        "a": bait,
        "b": [{"list": [bait]}],
    }


def test_two_values_that_meet_make_no_new_form() -> None:
    values = {**VALUES, "inputs": {"left": "{", "name": "tasks.draft", "right": "}"}}
    template = "{{ input.left }}{{ input.left }} {{ input.name }} {{ input.right }}{{ input.right }}"
    assert render(template, **values) == "{{ tasks.draft }}"


def test_a_text_that_is_one_form_becomes_the_value_itself() -> None:
    value = {
        "facts": "{{ tasks.facts }}",
        "text": "{{ tasks.facts }} ",
        "count": "{{ input.count }}",
        "files": ["{{ tasks.draft.files }}", "{{ tasks.draft.files }}\n"],
        "token": "{{ secrets.token }}",
        "literal": "{{{{",
        "plain": [1, 1.5, True, None, "text"],
        "{{ tasks.draft }}": "keys stay",
    }
    assert render_value(value, **VALUES) == {
        "facts": {"legs": 4, "names": ["ü", None]},
        "text": '{"legs":4,"names":["ü",null]} ',
        "count": 3,
        "files": [["a.md", "notes/b.md"], "a.md\nnotes/b.md\n"],
        "token": "s3cret",
        "literal": "{{",
        "plain": [1, 1.5, True, None, "text"],
        "{{ tasks.draft }}": "keys stay",
    }


def test_names_are_found_in_texts_at_any_level() -> None:
    found = names_in(["{{ tasks.a }} {{{{ tasks.no }} {{ tasks.b.files }}", {"k": [{"l": "{{ input.c }}"}], "m": 1}])
    assert (found.tasks, found.files) == ({"a"}, {"b"})
    assert (found.inputs, found.secrets) == ({"c"}, frozenset())
    assert names_in("{{ secrets.d }}{{ secrets.d }}").secrets == {"d"}
    assert names_in(None) == names_in("")


def test_a_value_that_is_too_deep_is_refused() -> None:
    value: Any = "{{ input.topic }}"
    for _ in range(MAX_LEVELS):
        value = [value]
    assert names_in(value).inputs == {"topic"}
    assert render_value(value, **VALUES) != value
    for work in (names_in, lambda deep: render_value(deep, **VALUES)):
        with pytest.raises(InvalidPlan, match="more than 64 levels"):
            work({"deeper": value})


@given(st.text() | st.text("{} a"))
def test_any_text_can_be_written_as_a_template(text: str) -> None:
    # Both sides take pairs of braces from the left, so an odd one at the end of a run stands for itself.
    template = text.replace("{{", "{{{{")
    assert render(template, tasks={}, files={}, inputs={}, secrets={}) == text


@given(st.lists(st.sampled_from(["{", "}", "{{", "}}", " ", "tasks.draft", "input.topic", ".files", "x"])).map("".join))
def test_a_template_is_refused_by_all_or_by_none(template: str) -> None:
    try:
        names = names_in(template)
    except InvalidPlan:
        with pytest.raises(InvalidPlan):
            render(template, **VALUES)
        return
    if all(getattr(names, kind) <= VALUES[kind].keys() for kind in ("tasks", "files", "inputs")):
        assert isinstance(render(template, **VALUES), str)
    else:  # such a name as `draftx`
        with pytest.raises(InvalidPlan, match="has no value here"):
            render(template, **VALUES)


@pytest.mark.parametrize(
    "unit",
    ["{", "{{{{ ", "}", "{{{{ tasks.", "{{{{" + " " * 50, "{{ tasks.draft }}", "{{{{" + "x" * 70],
)
def test_hostile_text_takes_time_in_proportion_to_its_length(unit: str) -> None:
    small, large = (unit * (length // len(unit) // 4 * 4) for length in (1_000_000, 10_000_000))
    values = {**VALUES, "tasks": {"draft": "x"}}

    def seconds(template: str) -> float:
        begun = process_time()
        names_in(template)
        render(template, **values)
        return process_time() - begun

    fastest = min(seconds(small) for _ in range(3))
    assert seconds(large) < 40 * fastest + 1


def test_blanks_without_an_end_are_looked_at_once() -> None:
    begun = process_time()
    for text in ("{{" + " " * 5_000_000, "{{ tasks.draft" + "\t" * 5_000_000, "{{ tasks." + "x" * 5_000_000):
        with pytest.raises(InvalidPlan):
            names_in(text)
    assert process_time() - begun < 2
