"""Random calls of the function libraries, half of them on texts that are almost valid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random

_FORMATS = (
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
)
_ADDRESSES = "::", "::1", "fe80::1", "ff02::1", "ff12::1", "::ffff:10.0.0.1", "::10.0.0.1", "fe80::1%eth0"
_HOSTS = (
    *("example.com", "EXAMPLE.com", "10.0.0.1", "[::1]", "[fe80::1%25eth0]", "[10.0.0.1]"),
    *("a%41.io", "é.io", "%ff.io", "a:b", ""),
)
_PATHS = "", "/", "/a/b", "/a b", "/a%20b", "/%2f/%", "/é", "/a;b,c", "//x", "/[a]", "a/b", "/a:b", "*"
_QUERIES = "", "", "?", "?a=1", "?a=1&a=2&b", "?a=%zz&c=d", "?a+b=c%20d", "?a;b=1&x=y", "??", "?&&="
_SUFFIXES = (
    *("", "", "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"),
    *("e3", "E-5", "e+12", "e-20", "e25", "ki", "K", "e", "mi"),
)
_NAMES = (
    *("my-name", "a", "1-a", "a.b.c", "My_Name", "example.com/My.Name"),
    *("-a", "a-", "a.-b", "a/b/c", "/a", "a/", ""),
)
_UUIDS = "123e4567-e89b-12d3-a456-426614174000", "123E4567E89B12D3A456426614174000"
_CHECKED = "reason", "allowed", "error", "errored"
_ODD = "%:/?#[]@!$&'()*+,;=. -_~<>\\^`{|}\"\x00\x1f\x7fé中\u00a0\U0001f600aA0zZ9"


def literal(text: str) -> str:
    """The text as CEL writes it."""
    return json.dumps(text, ensure_ascii=False)


class Calls:
    """A source of expressions by library; the same seed gives the same ones. Each is of a type that can be compared."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.libraries: dict[str, Callable[[], str]] = {
            "url": self.url,
            "ip": self.ip,
            "cidr": self.cidr,
            "semver": self.semver,
            "format": self.format,
            "quantity": self.quantity,
            "lists": self.lists,
            "authorizer": self.authorizer,
            "equality": self.equality,
        }

    def of(self, library: str, count: int) -> Iterator[str]:
        """So many expressions of one library."""
        for _ in range(count):
            yield self.libraries[library]()

    # ------------------------------------------------------------------------------------------------------- texts

    def pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def spoiled(self, text: str) -> str:
        """The text, or one near it."""
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 2))):
            at = self.random.randint(0, len(text))
            text = text[:at] + self.pick("", *_ODD) + text[at + self.random.randint(0, 2) :]
        return text

    def digits(self, most: int) -> str:
        return str(self.random.randint(0, 10 ** self.random.randint(1, most)))

    def address(self) -> str:
        if self.random.random() < 0.5:
            parts = [str(self.random.choice((0, 1, 10, 127, 169, 192, 224, 239, 254, 255, 256))) for _ in range(4)]
            return ".".join(parts[: self.random.choice((4, 4, 4, 4, 3))])
        if self.random.random() < 0.3:
            return self.pick(
                "::", "::1", "fe80::1", "ff02::1", "ff12::1", "::ffff:10.0.0.1", "::10.0.0.1", "fe80::1%eth0"
            )
        groups = [self.pick("0", "0", "1", "db8", "FE80", "ffff", "00ab", "12345") for _ in range(8)]
        if self.random.random() < 0.5:
            at = self.random.randint(0, 7)
            groups[at : at + self.random.randint(1, 8)] = [""]
            if groups[0] == "":
                groups.insert(0, "")
            if groups[-1] == "":
                groups.append("")
        return ":".join(groups)

    def network(self) -> str:
        return f"{self.address()}/{self.random.choice((0, 1, 8, 16, 24, 31, 32, 33, 64, 127, 128, 129))}"

    def version(self) -> str:
        parts = self.random.choice((3, 3, 3, 2, 1))
        core = ".".join(self.pick("0", "1", "2", "10", "01", self.digits(21)) for _ in range(parts))
        pre = self.pick("", "", "-rc", "-rc.1", "-rc.10", "-1", "-a.b", "-01", "-a-b", "-0", "-")
        build = self.pick("", "", "+b", "+b.1", "+", "+b..c")
        return f"{self.pick('', '', 'v', 'V')}{core}{pre}{build}"

    def location(self) -> str:
        scheme = self.pick("http:", "https:", "HTTPS:", "ftp:", "a+b-c.1:", "1a:", ":", "mailto:", "")
        user = self.pick("", "", "", "user@", "user:pass@", "u%20r:@", "a@b@", "u/r@")
        host = self.pick(*_HOSTS)
        port = self.pick("", "", ":80", ":", ":x", ":8:0")
        path = self.pick(*_PATHS)
        query = self.pick(*_QUERIES)
        fragment = self.pick("", "", "", "#", "#f", "#a%20b", "#%", "#a#b")
        slashes = self.pick("//", "//", "//", "", "/", "///")
        return f"{scheme}{slashes}{user}{host}{port}{path}{query}{fragment}"

    def amount(self) -> str:
        number = self.pick(
            self.digits(3),
            self.digits(19),
            self.digits(25),
            f"{self.digits(3)}.{self.digits(3)}",
            f"{self.digits(2)}.{self.digits(20)}",
            f".{self.digits(10)}",
            f"{self.digits(3)}.",
            "0",
            "00.10",
            "",
            ".",
        )
        suffix = self.pick(
            *("", "", "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
        )
        return f"{self.pick('', '', '', '-', '+')}{number}{suffix}"

    def name(self) -> str:
        text = self.pick(*_NAMES)
        return text * self.random.choice((1, 1, 1, 1, 10, 40))

    def moment(self) -> str:
        year, month = self.pick("2026", "2024", "1900", "2000", "0000", "999"), self.pick("02", "12", "13", "00", "2")
        date = f"{year}-{month}-{self.pick('28', '29', '30', '31', '00')}"
        clock = self.pick("12:00:00", "23:59:60", "24:00:00", "1:00:00") + self.pick("", ".5", ".", ",25")
        time = self.pick("T", "t", " ") + clock + self.pick("Z", "z", "+01:00", "")
        return date + self.pick("", time, time)

    # ----------------------------------------------------------------------------------------------------- libraries

    def given(self, make: Callable[[], str]) -> str:
        """A text as an argument: its type known to the checker, or not."""
        text = literal(self.spoiled(make()))
        return text if self.random.random() < 0.8 else f"dyn({text})"

    def url(self) -> str:
        text = self.given(self.location)
        return self.pick(
            f"isURL({text})",
            f"url({text}) == url({self.given(self.location)})",
            *(
                f"url({text}).{method}()"
                for method in ("getScheme", "getHost", "getHostname", "getPort", "getEscapedPath", "getQuery")
            ),
        )

    def ip(self) -> str:
        text = self.given(self.address)
        questions = ("isUnspecified", "isLoopback", "isLinkLocalMulticast", "isLinkLocalUnicast", "isGlobalUnicast")
        return self.pick(
            f"isIP({text})",
            f"ip.isCanonical({text})",
            f"string(ip({text}))",
            f"ip({text}).family()",
            f"ip({text}) == ip({self.given(self.address)})",
            *(f"ip({text}).{question}()" for question in questions),
        )

    def cidr(self) -> str:
        text = self.given(self.network)
        return self.pick(
            f"isCIDR({text})",
            f"string(cidr({text}))",
            f"string(cidr({text}).masked())",
            f"string(cidr({text}).ip())",
            f"cidr({text}).prefixLength()",
            f"cidr({text}).containsIP({self.given(self.address)})",
            f"cidr({text}).containsIP(ip({self.given(self.address)}))",
            f"cidr({text}).containsCIDR({self.given(self.network)})",
            f"cidr({text}).containsCIDR(cidr({self.given(self.network)}))",
        )

    def semver(self) -> str:
        def value() -> str:
            return f"semver({self.given(self.version)}{self.pick('', ', true', ', false')})"

        return self.pick(
            f"isSemver({self.given(self.version)}{self.pick('', ', true', ', false')})",
            f"{value()}.compareTo({value()})",
            f"{value()}.isLessThan({value()})",
            f"{value()}.isGreaterThan({value()})",
            f"{value()} == {value()}",
            f"{value()}.{self.pick('major', 'minor', 'patch')}()",
        )

    def format(self) -> str:
        name = self.pick(*_FORMATS)
        made: dict[str, Callable[[], str]] = {
            "uuid": lambda: self.pick(*_UUIDS),
            "byte": lambda: self.pick("aGVsbG8=", "aGk", ""),
            "uri": self.location,
            "date": self.moment,
            "datetime": self.moment,
        }
        named = self.pick(f"format.{name}()", f"format.named({literal(name)}).value()")
        return f"{named}.validate({self.given(made.get(name, self.name))}).orValue(['none'])"

    def quantity(self) -> str:
        def value() -> str:
            return f"quantity({self.given(self.amount)})"

        sum_ = f"{value()}.{self.pick('add', 'sub')}({self.random.choice((value, lambda: self.digits(19)))()})"
        return self.pick(
            f"isQuantity({self.given(self.amount)})",
            f"{value()}.compareTo({value()})",
            f"{value()} == {value()}",
            f"{value()}.isLessThan({value()})",
            f"{sum_}.compareTo({value()})",
            f"sign({value()})",
            f"{self.pick(value(), sum_)}.asInteger()",
            f"{self.pick(value(), sum_)}.isInteger()",
            f"string({self.pick(value(), sum_)}.asApproximateFloat())",
        )

    def lists(self) -> str:
        def items() -> str:
            return self.pick(
                "[3, 1, 2, 1]",
                "['b', 'a', 'b']",
                "[2u, 1u]",
                "[1.5, -1.0, 1.5]",
                "[true, false]",
                "[[1], [2, 3], []]",
                "[[[1]], [[2, 3]]]",
                "[duration('1s'), duration('1ms')].map(d, string(d))",
                "x.l",
                "x.ls",
                "x.lm",
                "x.mixed",
                "x.s",
                "x.nope",
                "[]",
            )

        def number() -> str:
            return self.pick("0", "1", "2", "3", "-1", "9", "x.i")

        return self.pick(
            f"{items()}.slice({number()}, {number()})",
            f"{items()}.flatten()",
            f"{items()}.flatten({number()})",
            f"lists.range({self.pick(number(), '1000001')})",
            f"{items()}.distinct()",
            f"{items()}.sort()",
            f"{items()}.reverse()",
            f"{items()}.sortBy(e, {self.pick('e', '-e', 'e.a', 'size(e)', 'string(e)', '1')})",
            f"{items()}.includes({self.pick('1', chr(39) + 'a' + chr(39), '1.5', 'null', 'x.s')})",
            f"{items()}.{self.pick('transformList', 'map')}({self.pick('i, e, e', 'i, e, i > 0, e', 'e, e')})",
            f"{items()}.transformMap(i, e, {self.pick('e', 'i > 0, e', 'i')}).size()",
            f"x.m.transformMap(k, v, {self.pick('k', 'k > string(1), k', 'v')})",
            f"{items()}.transformMapEntry(i, e, {self.pick('{string(e): i}', 'i > 0, {string(i): e}')})",
            f"{items()}.{self.pick('all', 'exists', 'existsOne', 'exists_one')}(i, e, e == {self.pick('i', '1')})",
        )

    def authorizer(self) -> str:
        subject = self.pick(
            "authorizer",
            "authorizer",
            f"authorizer.serviceAccount({literal(self.name())}, {literal(self.name())})",
            "authorizer.serviceAccount('shop', 'ci')",
        )
        if self.random.random() < 0.3:
            return f"{subject}.path({self.pick(literal('/healthz'), literal(' '), literal('x'))}).check('get').reason()"
        group, plural = literal(self.pick("apps", "")), literal(self.pick("pods", ""))
        resource = f"{subject}.group({group}).resource({plural})"
        for step in ("subresource", "namespace", "name", "fieldSelector", "labelSelector"):
            if self.random.random() < 0.4:
                resource += f".{step}({literal(self.pick('a', 'a=b', ''))})"
        return f"{resource}.check({literal(self.pick('get', ''))}).{self.pick(*_CHECKED)}()"

    def equality(self) -> str:
        """Opaque values beside others, where the types are not known."""

        def value() -> str:
            return self.pick(
                "ip('10.0.0.1')",
                "cidr('10.0.0.0/8')",
                "quantity('1')",
                "quantity('1000m')",
                "semver('1.0.0')",
                "url('/a')",
                "format.uuid()",
                "authorizer",
                "'a'",
                "1",
                "null",
                "{'a': 1}",
                "net.IP",
            )

        one, other = f"dyn({value()})", f"dyn({value()})"
        return self.pick(
            f"{one} == {other}",
            f"{one} != {other}",
            f"{one} in [{other}]",
            f"[{one}].indexOf({other})",
            f"sets.contains([{one}], [{other}])",
            f"[{one}, {other}].distinct().size()",
            f"string(x.i > 0 ? {one} : {one})",
            f"'%s'.format([{one}])",
            f"{one}.family()",
            f"{one}.isLessThan({other})",
            f"type({one}) == type({other})",
            f"optional.ofNonZeroValue({one}).hasValue()",
            f"{one} < {other}",
        )
