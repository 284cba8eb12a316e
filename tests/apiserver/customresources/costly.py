"""Rules whose estimated costs are put to the API server's own packages."""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
BOUNDED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "d": {"type": "number"},
        "b": {"type": "boolean"},
        "s": {**TEXT, "maxLength": 20},
        "t": {**TEXT, "maxLength": 7},
        "e": {**TEXT, "enum": ["a", "abc"]},
        "u": TEXT,
        "at": {**TEXT, "format": "date-time"},
        "wait": {**TEXT, "format": "duration"},
        "raw": {**TEXT, "format": "byte", "maxLength": 30},
        "any": {"x-kubernetes-int-or-string": True, "maxLength": 5},
        "list": {"type": "array", "maxItems": 6, "items": {**TEXT, "maxLength": 9}},
        "free": {"type": "array", "items": TEXT},
        "numbers": {"type": "array", "maxItems": 8, "items": {"type": "integer"}},
        "lists": {
            "type": "array",
            "maxItems": 3,
            "items": {"type": "array", "maxItems": 4, "items": {"type": "integer"}},
        },
        "maps": {
            "type": "array",
            "maxItems": 3,
            "items": {"type": "object", "additionalProperties": {**TEXT, "format": "byte"}, "maxProperties": 100},
        },
        "map": {"type": "object", "maxProperties": 5, "additionalProperties": {**TEXT, "maxLength": 11}},
        "wide": {"type": "object", "additionalProperties": {"type": "integer"}},
        "items": {
            "type": "array",
            "maxItems": 10,
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {**TEXT, "maxLength": 13},
                    "n": {"type": "integer"},
                    "tags": {"type": "array", "maxItems": 2, "items": TEXT},
                },
            },
        },
        "inner": {"type": "object", "properties": {"s": {**TEXT, "maxLength": 3}, "n": {"type": "integer"}}},
    },
}

RULES = """
self.n > 3
self.n + 2 == self.n * 3 - 1
self.d < 2.5 || self.n == 1 && self.b
!self.b
has(self.s) && has(self.inner.s)
self.s == self.t
self.s != 'abcdefgh'
self.u == self.s
self.s < self.t
self.e == 'abc'
self.s.size() < 5
self.s.startsWith(self.t)
self.s.endsWith('xyz')
self.s.contains(self.t)
self.u.contains('abc')
self.s.matches('^[a-z]+$')
self.s.matches(self.t)
self.u.matches('a')
self.s.find('[0-9]+') == 'x'
self.s.findAll('[0-9]+').size() == 1
self.s.findAll('[0-9]+', 2).all(x, x != '1')
self.s.lowerAscii() == 'x'
self.s.substring(2).size() > 0
self.s.substring(1, 3) == 'ab'
self.s.trim() == self.t
self.s.replace('a', 'bcd') == self.t
self.s.replace('abc', 'b').size() > 3
self.s.replace('a', 'bcd', 2) != ''
self.s.replace('', 'bc').size() > 3
self.s.split(',').size() < 3
self.s.split(',', 3).all(x, x.size() > 1)
self.list.join(',') == self.s
self.list.join() == self.s
self.s.charAt(1) == 'a'
self.s.indexOf('a') == 1
self.s.lastIndexOf('a', 3) == 1
self.list.indexOf('a') == 1
self.numbers.sum() > 3
self.numbers.max() > self.numbers.min()
self.list.isSorted()
self.list.all(x, x != 'a')
self.list.exists(x, x == self.s)
self.list.exists_one(x, x.startsWith('a'))
self.list.map(x, x + 'y').size() == 2
self.list.map(x, x != 'a', x.size()).sum() > 1
self.list.filter(x, x.size() > 2).all(y, y != 'b')
self.free.all(x, x.size() < 3)
self.list.all(x, self.list.all(y, x == y))
self.items.all(i, i.name.size() > 2 && i.n > 3)
self.items.all(i, i.tags.all(t, t != 'a'))
self.items.exists(i, i.name == self.s)
self.items.map(i, i.name).exists(n, n.contains('a'))
self.items.filter(i, has(i.n)).size() > 0
self.map.all(k, k != 'a')
self.map.exists(k, self.map[k] == 'x')
self.map['a'] == 'b'
'a' in self.map
'a' in self.list
self.n in [1, 2, 3]
self.n in self.numbers
self.wide.all(k, self.wide[k] > 1)
self.list[0] == 'a'
self.items[0].name == 'abc'
self.lists[0][1] == 2
self.lists.all(l, l.sum() < 3)
self.lists.flatten().size() > 1
self.list + ['a'] == self.list
(self.list + self.list).size() < 3
self.s + self.t == 'x'
(self.s + 'abc').matches('^a')
(self.b ? self.s : self.t) == 'x'
(self.b ? self.list : ['a']).all(x, x == 'b')
self.at > timestamp('2020-01-01T00:00:00Z')
self.wait < duration('1h')
self.at.getFullYear() == 2020
size(self.raw) == 3
self.raw == b'abc'
string(self.raw) == 'abc'
bytes(self.s).size() > 3
string(self.n) == '1'
int(self.s) == 1
self.any == 3
type(self.any) == int
type(self.any) == string && self.any == '5%'
dyn(self.s) == 1
'%s and %d'.format([self.s, self.n]) == 'x'
quantity(self.s).isLessThan(quantity('3'))
isQuantity(self.s)
quantity(self.s) == quantity(self.t)
sign(quantity(self.s).add(1)) == 1
isIP(self.s)
ip(self.s).family() == 4
ip(self.s) == ip('1.2.3.4')
cidr(self.s).containsIP(self.t)
cidr(self.s).containsIP(ip('1.2.3.4'))
cidr(self.s).containsCIDR(self.t)
cidr(self.s).masked().prefixLength() == 3
cidr(self.s).ip().isLoopback()
ip.isCanonical(self.s)
isURL(self.s)
url(self.s).getHost() == 'x'
url(self.s) == url('https://a.b/c')
url(self.e) == url(self.u)
url(self.s) != url(self.u)
lists.range(-1).all(x, x == 1)
bytes(dyn('')) == b''
self.maps[1].exists(k, v, isIP(k))
self.lists.transformList(self, v, v.sum() + self).size() > 1
self.items.sortBy(i, null).size() > 0
'a' in self.s.split('a', 9223372036854775807)
isSemver(self.s)
semver(self.s).major() == 1
format.dns1123Label().validate(self.s).hasValue()
format.named(self.s).hasValue()
self.?s.orValue('x') == 'y'
self.?inner.?s.hasValue()
self.map[?'a'].orValue('b') == 'c'
self.list[?0].optMap(x, x + 'a').orValue('') == 'b'
optional.of(self.s).value() == 'a'
self.list.distinct().size() == 1
self.list.sort() == self.list
self.items.sortBy(i, i.n).size() > 0
self.list.reverse()[0] == 'a'
self.list.slice(1, 2).size() == 1
lists.range(3).size() == self.n
sets.contains(self.list, ['a', 'b'])
sets.intersects(self.numbers, [1])
sets.equivalent(self.list, self.list)
self.list.all(i, x, x != 'a' || i > 1)
self.map.all(k, v, k != v)
self.map.exists(k, v, v.contains('a'))
self.list.transformList(i, x, x + 'a').size() > 1
self.map.transformMap(k, v, v + 'a').size() > 1
self.items.all(i, i in self.items)
self.items == self.items
self.inner == self.inner
self.map == self.map
[self.s, self.t].exists(x, x == 'a')
{'a': self.s}['a'] == 'b'
{'a': 1, 'b': 2}.all(k, k != 'c')
self.s > 'a' && self.s <= self.u
-self.n < 3 && self.n % 2 == 0
[[1, 2], [3]].all(l, l.all(x, x > 0))
self.lists.map(l, l.map(x, x * 2)).size() > 0
strings.quote(self.s).size() > 3
strings.quote(self.s) == self.s
strings.quote(url(self.s).getHost()) == strings.quote(url(self.s).getHost())
self.s.upperAscii() == 'X'
self.list.lastIndexOf('a') == 1
dyn(self.s).contains(self.t)
dyn(self.s).startsWith(self.t)
dyn(self.u).endsWith('a')
dyn(self.s).matches('^[a-z]+$')
dyn(self.s).find('a') == 'b'
dyn(self.s).findAll('a').size() == 1
dyn(self.s).lowerAscii() == self.t
dyn(self.s).substring(1, 2) == self.t
dyn(self.s).replace('a', 'bcd') == self.t
dyn(self.s).split(',').size() < 3
dyn(self.list).join(',') == self.s
dyn(self.s).indexOf('a') == 1
dyn(self.list).indexOf('a') == 1
dyn(self.list).lastIndexOf('a') == 1
dyn(self.list).max() == 'a'
dyn(self.numbers).sum() == 3
dyn(self.list).isSorted()
dyn(self.list).distinct().size() == 1
dyn(self.list).sort() == self.list
[].sort() == self.numbers
[self.at].sort() == [self.at]
[self.wait].sort() == [self.wait]
[self.b].sort() == [self.b]
[self.d].sort() == [self.d]
[self.raw].sort() == [self.raw]
dyn(self.numbers).sort() == self.numbers
self.list.map(x, dyn(x)).sort() == self.list
self.numbers.map(x, dyn(x)).sort() == self.numbers
self.items.sortBy(i, i.name).size() > 0
self.items.sortBy(i, dyn(i.n)).size() > 0
dyn(self.items).sortBy(i, i.n).size() > 0
dyn(self.list).reverse() == self.list
dyn(self.list).slice(1, 2).size() == 1
dyn(self.lists).flatten().size() > 1
lists.range(dyn(self.n)).size() == 2
sets.contains(dyn(self.list), ['a', 'b'])
string(dyn(self.raw)) == 'abc'
string(self.any) == 'abc'
bytes(dyn(self.s)).size() > 3
isIP(dyn(self.s))
cidr(self.s).containsIP(dyn(self.t))
cidr(self.s).containsCIDR(dyn(self.t))
dyn(cidr(self.s)).ip().isLoopback()
isQuantity(dyn(self.s))
semver(dyn(self.s)).major() == 1
format.dns1123Label().validate(dyn(self.s)).hasValue()
dyn(self.s) + dyn(self.t) == 'x'
dyn(self.s) < dyn(self.t)
dyn(self.n) < self.n
dyn(self.at) > self.at
dyn(self.wait) > dyn(self.at)
(self.wait + dyn(self.wait)) == dyn(self.wait)
[self.d + dyn(self.d), dyn(self.d) + self.d].size() > 1
dyn(self.list) + self.list == self.list
dyn(self.raw) + self.raw == self.raw
dyn(self.any) + dyn(self.s) == self.s
format.uuid() == format.uuid()
dyn(self.s) in dyn(self.list)
dyn(self.s) in self.list
dyn(self.list)[0] == 'a'
dyn(self.map)['a'] == 'b'
dyn(self.any).orValue(1) == 1
""".strip().split("\n")
