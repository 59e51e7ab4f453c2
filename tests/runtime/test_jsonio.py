"""The codec on dataclasses of its own; the manifest's are tested where the manifest is."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystaledge.errors import ContractError, DataError, ManifestError
from crystaledge.jsonio import Bounds, Pattern, decode, dumps, encode, loads, refuse_unknown_version
from tests.support.json_mutation import JSON_VALUES
from tests.support.manifests import changed, without
from tests.support.messages import message_of


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    spokes: Annotated[int, Bounds(1, 9)]
    label: Annotated[str, Pattern("[a-z]+", "lower-case letters")] = "plain"

    def __post_init__(self) -> None:
        if self.label == "square":
            msg = "A wheel is not square."
            raise ContractError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cart:
    covered: bool
    load: float
    colour: Colour
    wheels: tuple[Wheel, ...]
    size: tuple[int, str]
    price: float | None
    plate: int | str


CART = Cart(covered=True, load=1.5, colour=Colour.RED, wheels=(Wheel(spokes=3),), size=(2, "m"), price=None, plate="ab")

FINITE = st.floats(allow_nan=False, allow_infinity=False)
CARTS = st.builds(
    Cart,
    covered=st.booleans(),
    load=FINITE,
    colour=st.sampled_from(Colour),
    wheels=st.lists(
        st.builds(Wheel, spokes=st.integers(1, 9), label=st.from_regex("[a-z]{1,5}", fullmatch=True)), max_size=3
    ).map(tuple),
    size=st.tuples(st.integers(), st.text()),
    price=st.none() | FINITE,
    plate=st.integers() | st.text(),
)


@given(CARTS)
def test_what_is_written_is_read_back(cart: Cart) -> None:
    assert loads(Cart, dumps(cart), where="cart") == cart


def test_text_is_reproducible_json_of_plain_values() -> None:
    assert dumps(CART) == dumps(CART)
    assert json.loads(dumps(CART)) == {
        "covered": True,
        "load": 1.5,
        "colour": "red",
        "wheels": [{"spokes": 3, "label": "plain"}],
        "size": [2, "m"],
        "price": None,
        "plate": "ab",
    }


def test_a_field_with_a_default_may_be_left_out() -> None:
    assert loads(Wheel, '{"spokes": 4}', where="wheel") == Wheel(spokes=4, label="plain")


def test_an_integer_is_a_number() -> None:
    loaded = decode(Cart, changed(encode(CART), ("load",), 2), where="cart")
    assert loaded.load == 2.0
    assert type(loaded.load) is float


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(("covered",), 1, id="integer-for-bool"),
        pytest.param(("load",), True, id="bool-for-number"),
        pytest.param(("load",), "1.5", id="string-for-number"),
        pytest.param(("colour",), "green", id="unknown-enum-value"),
        pytest.param(("colour",), ["red"], id="list-for-enum"),
        pytest.param(("wheels",), {}, id="object-for-list"),
        pytest.param(("wheels", 0), [], id="list-for-object"),
        pytest.param(("wheels", 0, "spokes"), 0, id="below-the-bounds"),
        pytest.param(("wheels", 0, "spokes"), 10, id="above-the-bounds"),
        pytest.param(("wheels", 0, "spokes"), 3.0, id="float-for-integer"),
        pytest.param(("wheels", 0, "spokes"), True, id="bool-for-integer"),
        pytest.param(("wheels", 0, "label"), "", id="pattern-misses"),
        pytest.param(("wheels", 0, "label"), "abc\n", id="pattern-with-line-end"),
        pytest.param(("wheels", 0, "label"), None, id="null-for-string"),
        pytest.param(("size",), [2], id="tuple-too-short"),
        pytest.param(("size",), [2, "m", "m"], id="tuple-too-long"),
        pytest.param(("size", 0), "2", id="wrong-type-inside-tuple"),
        pytest.param(("price",), "free", id="string-for-optional-number"),
        pytest.param(("plate",), 1.0, id="float-for-integer-or-string"),
        pytest.param(("plate",), False, id="bool-for-integer-or-string"),
    ],
)
def test_a_wrong_value_is_refused_and_its_place_named(place: tuple[str | int, ...], value: object) -> None:
    with pytest.raises(ManifestError) as raised:
        decode(Cart, changed(encode(CART), place, value), where="cart")
    spoken = "cart" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    assert message_of(raised).startswith(f"{spoken} is ")


def test_an_unknown_key_is_refused_and_named() -> None:
    with pytest.raises(ManifestError, match=r"cart\.wheels\[0\] has the unknown key 'rim'; known keys are spokes"):
        decode(Cart, changed(encode(CART), ("wheels", 0, "rim"), 1), where="cart")


def test_a_missing_key_is_refused_and_named() -> None:
    with pytest.raises(ManifestError, match=r"cart\.wheels\[0\] lacks the key 'spokes'"):
        decode(Cart, without(encode(CART), ("wheels", 0, "spokes")), where="cart")


def test_the_refusal_of_a_dataclass_itself_is_passed_on_with_its_place() -> None:
    with pytest.raises(ManifestError, match=r"cart\.wheels\[0\]: A wheel is not square\."):
        decode(Cart, changed(encode(CART), ("wheels", 0, "label"), "square"), where="cart")


class Gear(Enum):
    LOW = 1


@pytest.mark.parametrize("value", [True, 1.0, "1"])
def test_an_enum_of_numbers_takes_no_equal_of_another_type(value: object) -> None:
    assert decode(Gear, 1, where="gear") is Gear.LOW
    with pytest.raises(ManifestError, match=r"gear is .*; expected one of 1\."):
        decode(Gear, value, where="gear")


def test_the_caller_chooses_the_error() -> None:
    with pytest.raises(DataError):
        loads(Cart, "{}", where="cart", error=DataError)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param('{"schema_version": 4}', "4", id="next"),
        pytest.param('{"schema_version": "3"}', "'3'", id="string"),
        pytest.param('{"schema_version": true}', "True", id="bool"),
        pytest.param('{"schema_version": null, "other": 1}', "None", id="null"),
        pytest.param('{"schema_version": ' + "[" * 900 + "]" * 900 + "}", "[[[", id="nested"),
    ],
)
def test_another_version_is_refused_whatever_else_is_there(text: str, shown: str) -> None:
    with pytest.raises(DataError) as raised:
        refuse_unknown_version(text, 3, where="file", error=DataError)
    message = message_of(raised)
    assert message.startswith(f"file has schema version {shown}")
    assert len(message) < 300


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"schema_version": 3}', id="the-same"),
        pytest.param('{"other": 4}', id="none"),
        pytest.param("[4]", id="no-object"),
        pytest.param("{", id="no-json"),
        pytest.param(b"\xff", id="no-text"),
        pytest.param("[" * 100_000, id="nested-beyond-the-stack"),
    ],
)
def test_what_names_no_other_version_is_left_to_the_codec(text: str | bytes) -> None:
    refuse_unknown_version(text, 3, where="file")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut-off"),
        pytest.param('{"spokes": 3} x', id="more-after-the-end"),
        pytest.param('{"spokes": 3, "spokes": 3}', id="same-key-twice"),
        pytest.param('{"spokes": NaN}', id="nan"),
        pytest.param('{"spokes": Infinity}', id="infinity"),
        pytest.param('{"spokes": -Infinity}', id="minus-infinity"),
        pytest.param(b"\xff\xfe\xfd", id="no-text-at-all"),
        pytest.param("[" * 100_000, id="nested-beyond-the-stack"),
    ],
)
def test_what_is_no_strict_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ManifestError) as raised:
        loads(Wheel, text, where="wheel")
    assert message_of(raised).startswith("wheel is not valid JSON: ")


@pytest.mark.parametrize(
    "number",
    [
        pytest.param("1e999", id="rounds-to-infinity"),
        pytest.param("-1e999", id="rounds-to-minus-infinity"),
        pytest.param("1" + "0" * 400, id="integer-beyond-float"),
    ],
)
def test_a_number_that_no_float_can_hold_is_refused(number: str) -> None:
    # Infinity is refused by name; written out as digits it must not slip in, or bring loads() down.
    text = dumps(CART).replace('"load": 1.5', f'"load": {number}')
    with pytest.raises(ManifestError) as raised:
        loads(Cart, text, where="cart")
    assert "cart" in message_of(raised)


def test_nesting_at_the_edge_of_the_stack_is_refused() -> None:
    # At some depth the parser still succeeds and what comes after it runs out of stack.
    template = dumps(CART).replace('"red"', "%s")
    for depth in range(1, sys.getrecursionlimit() + 50):
        with pytest.raises(ManifestError):
            loads(Cart, template % ("[" * depth + "]" * depth), where="cart")


def test_nan_is_never_written() -> None:
    with pytest.raises(ValueError, match="Out of range float values"):
        dumps(Cart(**{**_fields(CART), "load": float("nan")}))


@given(JSON_VALUES)
def test_arbitrary_json_is_a_cart_or_a_named_error(value: Any) -> None:
    try:
        loaded = loads(Cart, json.dumps(value), where="cart")
    except ManifestError as error:
        assert str(error).startswith("cart")
        assert "\n" not in str(error)
    else:
        assert isinstance(loaded, Cart)


def _fields(cart: Cart) -> dict[str, Any]:
    return {name: getattr(cart, name) for name in Cart.__dataclass_fields__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sail:
    area_m2: Annotated[float, Bounds(1.0)]
    mast_m: float
    colour: Colour = Colour.RED


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    power_kw: Annotated[float, Bounds(0.0, 900.0)]
    colour: Colour = Colour.RED


@dataclass(frozen=True, slots=True, kw_only=True)
class Boat:
    drive: Sail | Engine
    spare: Sail | Engine | None = None


SAILS = st.builds(Sail, area_m2=st.floats(1.0, 1e6), mast_m=FINITE, colour=st.sampled_from(Colour))
ENGINES = st.builds(Engine, power_kw=st.floats(0.0, 900.0), colour=st.sampled_from(Colour))


@given(st.builds(Boat, drive=SAILS | ENGINES, spare=st.none() | SAILS | ENGINES))
def test_a_union_of_dataclasses_is_read_back_as_what_it_was(boat: Boat) -> None:
    assert loads(Boat, dumps(boat), where="boat") == boat


@pytest.mark.parametrize(
    ("drive", "expected"),
    [
        pytest.param({"power_kw": 1e4}, "boat.drive.power_kw is 10000.0; expected", id="rules-of-the-second"),
        pytest.param({"area_m2": 0.5, "mast_m": 1}, "boat.drive.area_m2 is 0.5; expected", id="rules-of-the-first"),
        pytest.param({"area_m2": 2.0}, "boat.drive lacks the key 'mast_m'", id="a-part-of-the-first"),
        pytest.param({"power_kw": 1, "rim": 2}, "boat.drive has the unknown key 'rim'", id="second-and-more"),
        pytest.param(
            {"area_m2": 2.0, "mast_m": 1, "power_kw": 1}, "boat.drive has the unknown key 'power_kw'", id="both"
        ),
        pytest.param({"power_kw": 1, "colour": "green"}, "boat.drive.colour is 'green'", id="shared-key"),
        pytest.param({}, "boat.drive lacks the key 'area_m2'", id="nothing-is-the-first"),
        pytest.param({"rim": 2}, "boat.drive has the unknown key 'rim'", id="neither"),
        pytest.param(None, "boat.drive is None; expected Sail or Engine", id="null"),
        pytest.param([], "boat.drive is []; expected Sail or Engine", id="list"),
        pytest.param("Sail", "boat.drive is 'Sail'; expected Sail or Engine", id="name"),
    ],
)
def test_an_object_of_a_union_is_held_to_the_rules_of_the_one_it_is_most_like(drive: object, expected: str) -> None:
    with pytest.raises(ManifestError) as raised:
        decode(Boat, {"drive": drive}, where="boat")
    assert message_of(raised).startswith(expected)


def test_a_union_with_null_takes_null() -> None:
    assert decode(Boat, {"drive": {"power_kw": 3}, "spare": None}, where="boat").spare is None


@given(JSON_VALUES | st.dictionaries(st.sampled_from(["area_m2", "mast_m", "power_kw", "colour"]), JSON_VALUES))
def test_arbitrary_json_is_one_of_a_union_or_a_named_error(value: Any) -> None:
    try:
        boat = decode(Boat, {"drive": value}, where="boat")
    except ManifestError as error:
        assert str(error).startswith("boat.drive")
        assert "\n" not in str(error)
    else:
        assert isinstance(boat.drive, Sail | Engine)
