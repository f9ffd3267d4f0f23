"""Which columns a kind of file has: their names in the field, what a cell of each is, and where its value goes."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.identity.namespaces import STRENGTH, is_namespace

Cell = Literal[
    "text",
    "id",
    "flag",
    "whole",
    "decimal",
    "quantity",
    "money",
    "minor",
    "moment",
    "day",
    "levels",
    "currency",
    "json",
]
COLUMNS_MAX = 500


@dataclass(frozen=True, slots=True)
class Target:
    """A field of an item: what its cell is, and where in the item its value stands."""

    name: str
    cell: Cell
    path: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file: its fields, the route that takes its items, and the key under which a row may open more."""

    name: str
    route: str
    targets: tuple[Target, ...]
    takes_people: bool = False
    rest_are_attributes: bool = False
    """Whether a column of no known name is an attribute; else it must say so: `attributes.NAME`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What each column of one file was taken for, in the file's order, and what is missing."""

    columns: tuple[tuple[str, Target | None], ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    """Targets or columns that the sender's own mapping names and that do not exist."""


def _field(name: str, cell: Cell = "text", *aliases: str, required: bool = False, at: str = "") -> Target:
    return Target(name, cell, tuple((at or name).split(".")), aliases, required)


_MESSAGE = (
    _field("message_id", "id", "record_id", "row_id"),
    _field("occurred_at", "moment", "updated_at", "last_modified", "modified_at", "更新时间"),
)
_NAMESPACE_ALIASES: Mapping[str, tuple[str, ...]] = {
    "loyalty_card": (
        "card",
        "card_no",
        "card_number",
        "member_no",
        "member_id",
        "loyalty_id",
        "loyalty_number",
        "会员卡号",
        "卡号",
    ),
    "user_id": ("userid", "account_id", "用户id"),
    "wechat_unionid": ("unionid", "union_id"),
    "phone": ("mobile", "tel", "telephone", "phone_number", "mobile_phone", "cell", "手机", "手机号", "电话"),
    "email": ("e_mail", "mail", "email_address", "邮箱"),
    "wechat_openid": ("openid", "open_id"),
    "card_token": ("payment_token", "par"),
}
_PEOPLE = tuple(
    Target(namespace, "id", ("identifiers", namespace), _NAMESPACE_ALIASES.get(namespace, ()))
    for namespace in STRENGTH
    if namespace != "anonymous_id"
)
_CONTACT = (
    _field("name", "text", "full_name", "customer_name", "姓名", at="contact.name"),
    _field("first_name", "text", "given_name", "名", at="contact.first_name"),
    _field("last_name", "text", "surname", "family_name", "姓", at="contact.last_name"),
    _field("birthday", "text", "birth_date", "date_of_birth", "dob", "生日", at="contact.birthday"),
    _field("address", "text", "street", "地址", at="contact.address"),
    _field("postal_code", "text", "zip", "postcode", "邮编", at="contact.postal_code"),
)
_NESTED_PERSON = (
    _field("identifiers", "json"),
    _field("contact", "json"),
    _field("attributes", "json"),
    _field("consents", "json"),
)
_PRODUCT_ID = _field(
    "product_id", "id", "sku", "article", "item_id", "product_code", "商品编码", "货号", required=True
)
_STORE_ID = ("id", "store", "store_no", "store_number", "branch", "shop_id", "门店", "门店编码")


def _store_id(*, required: bool = False) -> Target:
    return Target("store_id", "id", ("store_id",), _STORE_ID[1:], required)


_CURRENCY = _field("currency", "currency", "currency_code", "币种")

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("customers", "customers", (*_MESSAGE, *_PEOPLE, *_CONTACT, *_NESTED_PERSON), takes_people=True),
        Kind(
            "attributes",
            "customers",
            (*_MESSAGE, *_PEOPLE, *_NESTED_PERSON[:1], _NESTED_PERSON[2]),
            takes_people=True,
            rest_are_attributes=True,
        ),
        Kind(
            "receipt_lines",
            "receipts",
            (
                _field("customer_id", "id", "household_id", "member_id", "loyalty_card", "会员卡号", required=True),
                _field("basket_id", "id", "receipt_id", "transaction_id", "order_id", "小票号", required=True),
                _field(
                    "timestamp", "moment", "occurred_at", "transaction_timestamp", "datetime", "时间", required=True
                ),
                _PRODUCT_ID,
                _field("quantity", "quantity", "qty", "数量"),
                _field("amount", "money", "sales_value", "line_total", "金额"),
                _field("discount", "money", "discount_amount", "折扣"),
                _store_id(),
                _CURRENCY,
            ),
        ),
        Kind("receipts", "receipts", ()),
        Kind(
            "products",
            "products",
            (
                *_MESSAGE,
                _PRODUCT_ID,
                _field("name", "text", "product_name", "description", "title", "品名", "商品名称", required=True),
                _field("brand", "text", "brand_name", "品牌"),
                _field("categories", "levels", "category", "category_path", "product_category", "类别"),
                _field("department", "text", "category_1", "大类", at="categories.0"),
                _field("category_2", "text", "subcategory", "中类", at="categories.1"),
                _field("category_3", "text", "小类", at="categories.2"),
                _field("size", "text", "package_size", "pack_size", "规格"),
                _field("image_url", "text", "image"),
                _field("is_sold", "flag", "active", "is_active", "in_range"),
                _field("launched_on", "day", "launch_date"),
                _field("attributes", "json"),
            ),
        ),
        Kind(
            "prices",
            "prices",
            (
                *_MESSAGE,
                _PRODUCT_ID,
                _store_id(),
                _CURRENCY,
                _field("price", "money", "unit_price", "selling_price", "售价", "价格", at="price_minor"),
                _field("price_minor", "minor"),
                _field("regular_price", "money", "list_price", "原价", at="regular_price_minor"),
                _field("regular_price_minor", "minor"),
                _field("valid_from_at", "moment", "valid_from", "from"),
                _field("valid_until_at", "moment", "valid_until", "valid_to", "until"),
            ),
        ),
        Kind(
            "stock",
            "stock",
            (
                *_MESSAGE,
                _PRODUCT_ID,
                _store_id(required=True),
                _field("quantity", "decimal", "qty", "on_hand", "stock", "库存", required=True),
            ),
        ),
        Kind(
            "stores",
            "stores",
            (
                *_MESSAGE,
                _store_id(required=True),
                _field("name", "text", "store_name", "门店名称", required=True),
                _field("brand", "text", "banner", "品牌"),
                _field("area", "text", "region", "district", "区域"),
                _field("city", "text", "town", "城市"),
                _field("time_zone", "text", "timezone"),
                _field("channel", "text"),
                _field("latitude", "decimal", "lat"),
                _field("longitude", "decimal", "lng", "lon"),
                _field("is_open", "flag", "open"),
            ),
        ),
        Kind(
            "staff",
            "staff",
            (
                *_MESSAGE,
                _field("staff_id", "id", "employee_id", "employee_no", "工号", required=True),
                _store_id(required=True),
                _field("display_name", "text", "name", "姓名"),
                _field("role", "text", "position", "job_title", "职位"),
                _field("is_active", "flag", "active"),
            ),
        ),
    )
}

_DOTTED = re.compile(r"(attributes|contact|consent|identifiers)\.([^\x00-\x1f]+)")
_CONTROLS = re.compile(r"[\x00-\x1f]")
_SPACES = re.compile(r"[\s\-/]+")


def folded(column: str) -> str:
    """Return a column's name as names are compared: case, spaces and hyphens do not count."""
    return _SPACES.sub("_", column.strip().casefold()).strip("_")


def plan_for(kind: Kind, columns: Sequence[str], mapping: Mapping[str, str]) -> Plan:
    """Say what each column is: by the sender's own mapping, else by its name."""
    chosen = {column: target_named(kind, name) for name, column in mapping.items()}
    taken = {target.name for target in chosen.values() if target is not None}
    plan: list[tuple[str, Target | None]] = []
    for column in columns:
        target = chosen.get(column)
        if target is None and column not in chosen:
            target = next((one for one in _by_name(kind, column) if one.name not in taken), None)
        if target is not None:
            taken.add(target.name)
        plan.append((column, target))
    missing = tuple(target.name for target in kind.targets if target.required and target.name not in taken)
    unknown = [name for name, column in mapping.items() if chosen[column] is None or column not in columns]
    return Plan(tuple(plan), (*missing, *_missing_choice(kind, taken)), tuple(unknown))


def target_named(kind: Kind, name: str) -> Target | None:
    """Return the field of this very name, `attributes.NAME` and its like included."""
    return next((one for one in kind.targets if one.name == name), None) or _dotted(kind, name)


def _by_name(kind: Kind, column: str) -> Iterator[Target]:
    """Yield what a column can be by its name, best first."""
    if _CONTROLS.search(column):
        return
    name = folded(column)
    yield from (one for one in kind.targets if one.name == name)
    yield from (one for one in kind.targets if name in one.aliases)
    dotted = _dotted(kind, column.strip())
    if dotted is not None:
        yield dotted
    elif kind.rest_are_attributes and name:
        yield Target(f"attributes.{name}", "text", ("attributes", name[:100]))


def _dotted(kind: Kind, name: str) -> Target | None:
    """Return the target of a name that carries its own: an attribute, another system's id, a permission."""
    if kind.takes_people and name.startswith("external:") and is_namespace(name):
        return Target(name, "id", ("identifiers", name))
    match = _DOTTED.fullmatch(name)
    if match is None:
        return None
    group, rest = match[1], match[2]
    if group == "attributes":
        has_attributes = any(one.name == "attributes" for one in kind.targets)
        return Target(name, "text", ("attributes", rest)) if has_attributes else None
    return _personal(name, group, rest) if kind.takes_people and not kind.rest_are_attributes else None


def _personal(name: str, group: str, rest: str) -> Target | None:
    if group == "contact":
        return Target(name, "text", ("contact", rest))
    if group == "consent" and rest.count(".") == 1:
        return Target(name, "flag", ("consents", *rest.split(".")))
    return Target(name, "id", ("identifiers", rest)) if group == "identifiers" and is_namespace(rest) else None


def _missing_choice(kind: Kind, taken: Iterable[str]) -> tuple[str, ...]:
    """Return what is missing where one of several columns will do."""
    has = set(taken)
    if kind.takes_people and not any(_is_identifier(name) for name in has):
        return ("phone, email, loyalty_card or another identifier",)
    if kind.name == "prices" and not has & {"price", "price_minor"}:
        return ("price",)
    return ()


def _is_identifier(name: str) -> bool:
    return name == "identifiers" or is_namespace(name.removeprefix("identifiers."))
