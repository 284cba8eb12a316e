"""What a reader of the Kubernetes documentation would try of each library, with its boundaries and errors.

test_against_kubernetes.py puts thousands of generated calls beside the API server's own; here is what they mean.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import ENVIRONMENT, evaluate
from webhook.cel import CompileError, EvaluationError

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
HTTPS = "url('https://user:pw@example.com:8443/a/b?x=1&x=2&y=%20#top')"
DEPLOYMENTS = "authorizer.group('apps').resource('deployments')"

VALUES: list[tuple[str, Any]] = [
    # urls
    (f"{HTTPS}.getScheme()", "https"),
    (f"{HTTPS}.getHost()", "example.com:8443"),
    (f"{HTTPS}.getHostname()", "example.com"),
    (f"{HTTPS}.getPort()", "8443"),
    (f"{HTTPS}.getEscapedPath()", "/a/b"),
    (f"{HTTPS}.getQuery()", {"x": ["1", "2"], "y": [" "]}),
    ("url('/a/b').getScheme() + url('/a/b').getHost()", ""),
    ("url('/a/b').getEscapedPath()", "/a/b"),
    ("url('https://[2001:db8::1]:80').getHost()", "[2001:db8::1]:80"),
    ("url('https://[2001:db8::1]:80').getHostname()", "2001:db8::1"),
    ("url('https://[2001:db8::1]').getPort()", ""),
    ("url('https://example.com/').getQuery()", {}),
    ("url('https://example.com/with space').getEscapedPath()", "/with%20space"),
    ("url('https://example.com/a%2Fb').getEscapedPath()", "/a%2Fb"),
    ("url('mailto:a@b.c').getHost()", ""),
    ("isURL('https://example.com') && isURL('/absolute') && isURL('*')", True),
    ("isURL('relative/path') || isURL('') || isURL('https://a b.c') || isURL('https://a:port')", False),
    ("url('https://a.b/?q').getQuery()", {"q": [""]}),
    ("url('https://a.b/#f') == url('https://a.b/#f')", True),
    ("url('https://a.b') == url('https://a.b/')", False),
    # ip
    ("ip('192.168.0.1').family()", 4),
    ("ip('2001:db8::68').family()", 6),
    ("string(ip('2001:DB8:0:0:0:0:0:68'))", "2001:db8::68"),
    ("string(ip('1:0:0:2:0:0:0:3'))", "1:0:0:2::3"),
    ("isIP('127.0.0.1') && isIP('::1') && isIP('::127.0.0.1')", True),
    ("isIP('127.0.0.256') || isIP('127.0.0.01') || isIP('127.1') || isIP('')", False),
    ("isIP('fe80::1%eth0') || isIP('::ffff:1.2.3.4') || isIP('10.0.0.0/8')", False),
    ("ip.isCanonical('127.0.0.1') && ip.isCanonical('2001:db8::abcd')", True),
    ("ip.isCanonical('2001:DB8::ABCD') || ip.isCanonical('2001:db8:0::1')", False),
    ("ip('0.0.0.0').isUnspecified() && ip('::').isUnspecified()", True),
    ("ip('127.9.9.9').isLoopback() && ip('::1').isLoopback() && !ip('128.0.0.1').isLoopback()", True),
    ("ip('224.0.0.255').isLinkLocalMulticast() && ip('ff02::1').isLinkLocalMulticast()", True),
    ("ip('224.0.1.0').isLinkLocalMulticast() || ip('ff05::1').isLinkLocalMulticast()", False),
    ("ip('169.254.0.1').isLinkLocalUnicast() && ip('febf::1').isLinkLocalUnicast()", True),
    ("ip('fec0::1').isLinkLocalUnicast()", False),
    ("ip('10.0.0.1').isGlobalUnicast() && ip('fd00::1').isGlobalUnicast()", True),
    ("['255.255.255.255', '224.0.0.1', '127.0.0.1', '::'].exists(a, ip(a).isGlobalUnicast())", False),
    ("ip('10.0.0.1') in [ip('10.0.0.2'), ip('10.0.0.1')]", True),
    ("type(ip('::1')) == net.IP && type(cidr('::/0')) == net.CIDR", True),
    # cidr
    ("cidr('192.168.0.0/24').containsIP('192.168.0.255')", True),
    ("cidr('192.168.0.0/24').containsIP(ip('192.168.1.0'))", False),
    ("cidr('0.0.0.0/0').containsIP('::1')", False),
    ("cidr('::/0').containsIP('2001:db8::1')", True),
    ("cidr('10.0.0.1/32').containsIP('10.0.0.1')", True),
    ("cidr('192.168.0.0/24').containsCIDR('192.168.0.0/25')", True),
    ("cidr('192.168.0.0/24').containsCIDR(cidr('192.168.0.0/23'))", False),
    ("cidr('192.168.0.0/24').containsCIDR('192.168.0.0/24')", True),
    ("cidr('192.168.0.1/24').ip() == ip('192.168.0.1')", True),
    ("cidr('192.168.0.1/24').masked() == cidr('192.168.0.0/24')", True),
    ("cidr('192.168.0.1/24') == cidr('192.168.0.0/24')", False),
    ("string(cidr('192.168.0.1/24'))", "192.168.0.1/24"),
    ("cidr('::1/128').prefixLength()", 128),
    ("isCIDR('10.0.0.0/8') && isCIDR('::/0')", True),
    ("isCIDR('10.0.0.0/33') || isCIDR('10.0.0.0/08') || isCIDR('10.0.0.0') || isCIDR('::ffff:1.2.3.4/96')", False),
    # semver
    ("semver('1.2.3').major() + semver('1.2.3').minor() + semver('1.2.3').patch()", 6),
    ("isSemver('1.0.0') && isSemver('1.0.0-alpha.1+build.5')", True),
    ("isSemver('v1.0.0') || isSemver('1.0') || isSemver('01.0.0') || isSemver('1.0.0-01') || isSemver('')", False),
    ("isSemver('v1.0', true) && isSemver('01.02.03', true) && isSemver('1', true)", True),
    ("isSemver('V1.0.0', true) || isSemver('1.0-rc', true) || isSemver('1.0.0', false) == false", False),
    ("semver('v1.01', true) == semver('1.1.0')", True),
    ("semver('1.2.3').compareTo(semver('1.2.3'))", 0),
    ("semver('1.2.3+a') == semver('1.2.3+b')", True),
    (
        "['1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2', '1.0.0-beta.11',"
        " '1.0.0-rc.1', '1.0.0'].map(v, semver(v)).all(i, v, i == 0 || v.compareTo(semver('1.0.0-alpha')) == 1)",
        True,
    ),
    ("semver('1.0.0-beta.2').isLessThan(semver('1.0.0-beta.11'))", True),
    ("semver('1.0.0-1').isLessThan(semver('1.0.0-a'))", True),
    ("semver('18446744073709551615.0.0').major()", -1),
    # formats
    ("format.dns1123Label().validate('my-name').hasValue()", False),
    ("format.dns1123Label().validate('Contains_Bad')", [LABEL]),
    ("format.dns1123Label().validate('a.b')", ["must not contain dots"]),
    ("format.dns1123Label().validate(lists.range(64).map(i, 'a').join())", ["must be no more than 63 characters"]),
    ("format.dns1123Subdomain().validate('a.b-c.1').hasValue()", False),
    ("format.dns1035Label().validate('1a').value().size()", 1),
    ("format.dns1123LabelPrefix().validate('name-').hasValue()", False),
    ("format.qualifiedName().validate('example.com/MyName').hasValue()", False),
    ("format.qualifiedName().validate('/a')", ["prefix part must be non-empty"]),
    (
        "format.qualifiedName().validate(lists.range(64).map(i, 'a').join())",
        ["name part must be no more than 63 bytes"],
    ),
    ("format.labelValue().validate('').hasValue() || format.labelValue().validate('a_B.c').hasValue()", False),
    ("format.uri().validate('a')", ['parse "a": invalid URI for request']),
    ("format.uuid().validate('123e4567-e89b-12d3-a456-42661417400')", ["does not match the UUID format"]),
    ("format.byte().validate('aGVsbG8=').hasValue() || format.byte().validate('aGVsbG8').hasValue() == false", False),
    ("format.date().validate('2024-02-29').hasValue()", False),
    ("format.date().validate('2025-02-29')", ["invalid date"]),
    ("format.datetime().validate('2024-02-29t12:00:00.5+01:00').hasValue()", False),
    ("format.datetime().validate('2024-02-29T24:00:00Z')", ["invalid datetime"]),
    ("format.named('dns1123Label').value() == format.dns1123Label()", True),
    ("format.named('DNS1123Label').hasValue()", False),
    # CEL's lists extension, and includes
    ("[1, 2, 3, 4].slice(2, 4)", [3, 4]),
    ("[1, 2].slice(2, 2)", []),
    ("[[1, 2], [], [3]].flatten()", [1, 2, 3]),
    ("[[[1]], [[2]]].flatten()", [[1], [2]]),
    ("[[[1]], [[2]]].flatten(0)", [[[1]], [[2]]]),
    ("['b', 'b', 'c', 'a', 'c'].distinct()", ["b", "c", "a"]),
    ("lists.range(0)", []),
    ("['b', 'c', 'a'].sort()", ["a", "b", "c"]),
    ("[timestamp('2020-01-02T00:00:00Z'), timestamp('2020-01-01T00:00:00Z')].sort().map(t, t.getDate())", [1, 2]),
    ("['b0', 'a2', 'c1'].sortBy(e, int(e.substring(1))).map(e, e.charAt(0))", ["b", "c", "a"]),
    ("[].sort()", []),
    ("[1, 2, 2].includes(2) && !'model-a'.includes('model-b') && 1.includes(1.0)", True),
    # two variables
    ("{'a': 1, 'b': 2}.all(k, v, k != '' && v > 0)", True),
    ("[1, 2].exists_one(i, v, v == 2) && [1, 2].existsOne(i, v, v == 2)", True),
    ("[1, 2, 3].transformList(i, v, i > 0, v * 2)", [4, 6]),
    ("{'a': 1}.transformMapEntry(k, v, {string(v): k})", {"1": "a"}),
    # authorizer: the user of the tests may get the Pods of one namespace, and /healthz
    ("authorizer.path('/healthz').check('get').allowed()", True),
    ("authorizer.path('/healthz').check('post').allowed()", False),
    ("authorizer.group('').resource('pods').namespace('default').name('a').check('get').reason()", "declared"),
    ("authorizer.group('').resource('pods').check('get').allowed()", False),
    (f"{DEPLOYMENTS}.subresource('scale').namespace('default').check('update').allowed()", False),
    (
        "authorizer.serviceAccount('default', 'ci').group('').resource('pods').namespace('default')"
        ".check('get').allowed()",
        False,
    ),
    ("authorizer.path('/healthz').check('get').errored()", False),
    ("authorizer.path('/healthz').check('get').error()", ""),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    if type(value) is list and ".validate(" in expression:
        expression += ".value()"
    result = evaluate(expression)
    assert type(result) is type(value)
    assert result == value


URL = "URL parse error during conversion from string: parse"
CIDR = "network address parse error during conversion from string: "
ERRORS: list[tuple[str, str]] = [
    ("url('a/b')", f'{URL} "a/b": invalid URI for request'),
    ("url('')", f'{URL} "": empty url'),
    ("url('https://a/%zz')", f'{URL} "https://a/%zz": invalid URL escape "%zz"'),
    ("url('https://a:b')", f'{URL} "https://a:b": invalid port ":b" after host'),
    ("url('https://a\\nb')", f'{URL} "https://a\\nb": net/url: invalid control character in URL'),
    ("ip('::ffff:1.2.3.4')", 'IPv4-mapped IPv6 address "::ffff:1.2.3.4" is not allowed'),
    ("ip('fe80::1%eth0')", 'IP address "fe80::1%eth0" with zone value is not allowed'),
    (
        "ip('10.0.0.01')",
        'IP Address "10.0.0.01" parse error during conversion from string: ParseAddr("10.0.0.01"): '
        "IPv4 field has octet with leading zero",
    ),
    ("ip(dyn(1))", "no such overload: ip(int)"),
    ("cidr('10.0.0.0')", f"{CIDR}{CIDR}netip.ParsePrefix(\"10.0.0.0\"): no '/'"),
    ("cidr('::ffff:1.2.3.4/96')", f'{CIDR}IPv4-mapped IPv6 address "::ffff:1.2.3.4/96" is not allowed'),
    ("cidr('10.0.0.0/8').containsIP('x')", "no such overload"),
    ("dyn(ip('::1')) == dyn('::1')", "no such overload"),
    ("dyn(ip('::1')) < dyn(ip('::2'))", "no such overload: _<_"),
    ("semver('')", "Version string empty"),
    ("semver('1.2.x')", 'Invalid character(s) found in patch number "x"'),
    ("semver('1.02.3')", 'Minor number must not contain leading zeroes "02"'),
    ("semver('99999999999999999999.0.0')", 'strconv.ParseUint: parsing "99999999999999999999": value out of range'),
    ("semver('1-rc', true)", "short version cannot contain PreRelease/Build meta data"),
    ("format.named('nope').value()", "optional.none() dereference"),
    ("[1, 2].slice(1, 0)", "cannot slice(1, 0), start index must be less than or equal to end index"),
    ("[1, 2].slice(-1, 0)", "cannot slice(-1, 0), negative indexes not supported"),
    ("lists.range(1000001)", "lists.range: size 1000001 exceeds maximum allowed (1000000)"),
    ("[dyn(null)].map(e, e).sort()", "list elements must be comparable"),
    ("dyn('a').flatten()", "no such overload: string.flatten()"),
    ("authorizer.path('')", "path must not be empty"),
    ("authorizer.serviceAccount('Default', 'ci')", "Invalid service account namespace"),
    ("authorizer == authorizer", "no such overload"),
]


@pytest.mark.parametrize(("expression", "text"), ERRORS)
def test_error(expression: str, text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression)
    assert str(caught.value) == text


REFUSED: list[tuple[str, str]] = [
    ("ip(1)", "found no matching overload for 'ip' applied to '(int)'"),
    ("ip('::1').prefixLength()", "found no matching overload for 'prefixLength' applied to '(net.IP)'"),
    ("ip('::1') == '::1'", "found no matching overload for '_==_' applied to '(net.IP, string)'"),
    ("quantity('1') < quantity('2')", "found no matching overload for '_<_'"),
    ("semver('1.0.0').isLessThan(quantity('1'))", "found no matching overload for 'isLessThan'"),
    ("string(quantity('1'))", "found no matching overload for 'string' applied to '(kubernetes.Quantity)'"),
    ("authorizer.check('get')", "found no matching overload for 'check'"),
    ("authorizer.resource('pods')", "found no matching overload for 'resource'"),
    ("[1].flatten()", "found no matching overload for 'flatten' applied to '(list(int))'"),
    ("[[1]].flatten() == ['a']", "found no matching overload for '_==_' applied to '(list(int), list(string))'"),
    ("[[1]].sort()", "found no matching overload for 'sort'"),
    ("format.nope()", "undeclared reference to 'format.nope'; did you mean 'format.named'?"),
    ("[1].sortBy(e, [e])", "found no matching overload for '@sortByAssociatedKeys'"),
]


@pytest.mark.parametrize(("expression", "text"), REFUSED)
def test_what_the_types_rule_out_is_refused_when_compiled(expression: str, text: str) -> None:
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT.compile(expression)
    assert text in str(caught.value)


def test_a_position_after_a_renamed_call_is_the_sources_own() -> None:
    source = "[[1]].flatten().exists_one(i, e, e == i) && nope"
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT.compile(source)
    (issue,) = caught.value.issues
    assert (issue.column, issue.message) == (source.index("nope") + 1, "undeclared reference to 'nope'")


def test_names_of_functions_stay_names_of_fields() -> None:
    assert evaluate("x.flatten + x.sortBy + x.format", x={"flatten": 1, "sortBy": 2, "format": 3}) == 6
