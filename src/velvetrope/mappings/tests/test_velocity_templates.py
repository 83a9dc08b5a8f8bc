"""Mapping templates: what they say of a request, and what nobody can do with them."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velvetrope.mappings import (
    JsonPath,
    MalformedJsonPath,
    MappingTemplate,
    RenderedTemplate,
    TemplateFailed,
    TemplateInput,
    UnsupportedTemplate,
)

BODY = '{"a":{"b":[1,2,{"c":"x"}]},"name":"it\'s"}'


def render(text: str, *, body: str = BODY, **members: Any) -> RenderedTemplate:
    given_: dict[str, Any] = {
        "path": {"id": "7", "both": "path"},
        "querystring": {"q": "1", "both": "query"},
        "header": {"X-H": "v"},
        "context": {"identity": {"sourceIp": "192.0.2.1"}, "authorizer": {"claims": {"sub": "s"}}},
        "stage_variables": {"env": "dev"},
    }
    return MappingTemplate(text).render(TemplateInput(body=body, **{**given_, **members}))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        pytest.param("$input.body", BODY, id="the payload as it came"),
        pytest.param("$input.json('$.a.b')", '[1,2,{"c":"x"}]', id="a part as JSON"),
        pytest.param("$input.json('$.zzz')", '""', id="what is not there is an empty JSON text"),
        pytest.param("$input.path('$.a.b[2].c')", "x", id="a definite path is the value"),
        pytest.param("$input.path('$..c')", "[x]", id="an indefinite path is a list"),
        pytest.param("$input.path('$.a')", "{b=[1, 2, {c=x}]}", id="maps are written as Java writes them"),
        pytest.param("$input.path('$').a.b.size()", "3", id="a path's value has methods"),
        pytest.param("$input.params('both')", "path", id="path parameters go first"),
        pytest.param("$input.params('q')$input.params('zzz')|", "1|", id="an absent parameter is empty"),
        pytest.param("$input.params().header.get('X-H')", "v", id="all parameters are a map of maps"),
        pytest.param("$context.identity.sourceIp $context.authorizer.claims.sub", "192.0.2.1 s", id="context"),
        pytest.param("${stageVariables.env}", "dev", id="stage variables"),
        pytest.param("$nope|$!nope|${nope.x}", "$nope||${nope.x}", id="without a value a reference writes itself"),
        pytest.param(
            "$context.identity.caller|${context.nope.x}|$stageVariables.nope|$input.path('$.zzz')",
            "|||",
            id="parts of the request without a value are empty",
        ),
        pytest.param("$contextual.x", "$contextual.x", id="names that only begin so write themselves"),
        pytest.param("#set($x = 1 + 2 * 3 - 4)$x", "3", id="operators bind as in Java"),
        pytest.param("#set($x = -7 / 2)$x", "-3", id="division rounds towards zero"),
        pytest.param("#if($a && $b == 1 || true)y#{else}n#end", "y", id="and before or"),
        pytest.param("#if('')y#end", "y", id="an empty text is true"),
        pytest.param("#if($nope)a#elseif(1 == '1')b#end", "b", id="other types are compared as texts"),
        pytest.param("#foreach($i in [1..3])$i#if($foreach.hasNext),#end#end", "1,2,3", id="loops"),
        pytest.param("#foreach($i in $nope)x#end", "", id="no turn for nothing"),
        pytest.param("#set($s = \"a $input.params('id') b\")$s", "a 7 b", id="double quotes fill in"),
        pytest.param("#set($s = 'a $x')$s", "a $x", id="single quotes do not"),
        pytest.param("#set($m = {'a': 1})$m.a $m.put('b', 2)$m", "1 $m.put('b', 2){a=1, b=2}", id="maps"),
        pytest.param(
            r"""$util.escapeJavaScript($input.path('$.name')).replaceAll("\\'", "'")""", "it's", id="AWS's own idiom"
        ),
        pytest.param("$util.base64Decode($util.base64Encode('ä'))", "ä", id="base64"),
        pytest.param("$util.urlEncode('a b&c') $util.urlDecode('a+b')", "a+b%26c a b", id="urls"),
        pytest.param("$util.parseJson('{\"k\": [5]}').k[0]", "5", id="parseJson"),
        pytest.param("## a remark\n#ffffff \\$x $5.00", "#ffffff $x $5.00", id="what is no Velocity stays"),
        pytest.param("a#stop b", "a", id="stop"),
        pytest.param("#set($c = $context.identity)$c.sourceIp", "192.0.2.1", id="parts of the context have names"),
    ],
)
def test_a_template_says(template: str, text: str) -> None:
    assert render(template).text == text


def test_overrides_are_told_beside_the_text() -> None:
    rendered = render(
        "#set($context.requestOverride.header.x_one = 'a')#set($context.requestOverride.path.id = '8')"
        "#set($context.responseOverride.status = 418)#set($context.responseOverride.header.hello = 'h')t"
    )

    assert rendered.text == "t"
    assert rendered.request_override == {"header": {"x_one": "a"}, "path": {"id": "8"}, "querystring": {}}
    assert (rendered.response_status, rendered.response_headers) == ("418", {"hello": "h"})


@given(st.text())
def test_what_is_escaped_for_javascript_is_a_text_in_json(text: str) -> None:
    rendered = render("$util.escapeJavaScript($input.params('x'))", path={"x": text}).text

    # JSON knows neither \' nor \/ as the only escapes that differ.
    assert json.loads('"' + rendered.replace("\\'", "'") + '"') == text.encode("utf-16", "surrogatepass").decode(
        "utf-16", "replace"
    )


@pytest.mark.parametrize(
    "template",
    [
        "#macro(x)y#end",
        "#define($x)y#end",
        "#parse('/etc/passwd')",
        "#include('/etc/passwd')",
        "#evaluate('$x')",
        "#x(1)",
        "#foreach($i in [1..2])#break#end",
    ],
)
def test_directives_that_are_not_supported_are_refused_by_name(template: str) -> None:
    with pytest.raises(UnsupportedTemplate, match="not supported"):
        MappingTemplate(template)


@pytest.mark.parametrize(
    "template",
    [
        "#if(true)x",
        "#set($x = )",
        "${x",
        "$input.path('$.a'",
        "#end",
        "[$a.f(" * 40 + "1" + ")]" * 40,
        "(" * 5_000,
        "#set($x = " + "(" * 5_000,
        "x" * 307_201 + "$x",
    ],
)
def test_what_is_not_velocity_is_refused_at_once(template: str) -> None:
    if "$" in template or "#" in template:
        with pytest.raises(UnsupportedTemplate):
            MappingTemplate(template)
    else:
        assert render(template).text == template


@pytest.mark.parametrize(
    "template",
    [
        "$input.__class__",
        "$input.body.__class__.__mro__",
        "$input._given",
        "$util.template_methods",
        "$input.template_properties",
        "$context.__init__.__globals__",
    ],
)
def test_nothing_of_python_can_be_reached_by_a_name(template: str) -> None:
    assert render(template).text == (template if template.startswith("$util") else "")


@pytest.mark.parametrize(
    "template",
    [
        "$input.body.format(1)",
        "$input.body.__class__()",
        "$input.body.encode()",
        "$input.params().__getattribute__('x')",
        "$util.template_methods()",
        "$input.body.zfill(9)",
    ],
)
def test_nor_by_a_method(template: str) -> None:
    with pytest.raises(TemplateFailed, match="not known"):
        render(template)


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("#foreach($i in [0..1000])x#end", id="a range over the limit"),
        pytest.param("#foreach($a in [1..999])#foreach($b in [1..999])x#end#end", id="loops in loops"),
        pytest.param("#set($x='xxxxxxxx')#foreach($i in [1..40])#set($x = $x + $x)#end", id="doubling by +"),
        pytest.param('#set($x="xxxxxxxx")#foreach($i in [1..40])#set($x = "$x$x")#end', id="doubling by quotes"),
        pytest.param("#set($x=9)#foreach($i in [1..99])#set($x = $x * $x)#end", id="numbers without end"),
        pytest.param("#set($l=[])#set($q=$l.add($l))$l", id="a list in itself"),
        pytest.param("$input.body.replaceAll('a(?=b)', '')", id="a pattern that cannot be matched in linear time"),
        pytest.param("$input.body.replaceAll('(a)', '$2')", id="a group that the pattern does not have"),
        pytest.param("$input.body.split('(')", id="no pattern"),
        pytest.param("#set($input = 1)", id="setting what is given"),
        pytest.param("#set($x.y = 1)", id="setting below nothing"),
        pytest.param("$input.path('$[')", id="no path"),
        pytest.param("$util.parseJson('{')", id="no JSON"),
        pytest.param("$util.base64Decode('!')", id="no base64"),
        pytest.param("$input.body.substring(9999)", id="outside of the text"),
        pytest.param("#set($context.requestOverride.header = 1)", id="an override that is no map"),
    ],
)
def test_what_goes_too_far_fails(template: str) -> None:
    with pytest.raises(TemplateFailed):
        render(template)


@pytest.mark.parametrize("call", ["matches('(a+)+b')", "replaceAll('(a+)+b', '').length()", "split('(a+)+b').size()"])
def test_a_pattern_that_once_ran_away_takes_no_time(call: str) -> None:
    assert render(f"$input.body.{call}", body="a" * 10_000).text in {"false", "10000", "1"}


def test_the_work_of_patterns_is_counted() -> None:
    with pytest.raises(TemplateFailed, match="too much data"):
        render("#foreach($i in [1..900])$input.body.matches('[ab]*a[ab]{900}')#end", body="ab" * 5_000)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        pytest.param("$input.body.replaceAll('([a-z]+)-([0-9])?', '$2$1')", "1a b|c", id="groups, absent ones empty"),
        pytest.param("$input.body.replaceAll('[-|]', '\\$')", "a$1 b$$c", id="an escaped dollar"),
        pytest.param("$input.body.replaceFirst('[a-c]', '<$0>')", "<a>-1 b-|c", id="the first one, whole"),
        pytest.param("$input.body.split('[-| ]+')", "[a, 1, b, c]", id="split by a class"),
        pytest.param("$input.body.split('')", "[a, -, 1,  , b, -, |, c]", id="split into characters"),
        pytest.param("$input.body.split('c')", "[a-1 b-|]", id="empty texts at the end go"),
        pytest.param("$input.body.split('|')", "[a, -, 1,  , b, -, |, c]", id="an alternative of nothing"),
        pytest.param("$input.body.matches('(?i)A-1.*')", "true", id="without regard to case"),
        pytest.param("$input.body.matches('a-1')", "false", id="the whole text"),
    ],
)
def test_patterns_are_javas(template: str, text: str) -> None:
    assert render(template, body="a-1 b-|c").text == text


def test_a_body_that_is_not_json_can_be_passed_on_and_not_be_read() -> None:
    assert render("$input.body", body="<x/>").text == "<x/>"
    with pytest.raises(TemplateFailed, match="JSON"):
        render("$input.json('$')", body="<x/>")


def test_a_loop_has_a_thousand_turns_and_not_one_more() -> None:
    template = "#foreach($i in $input.path('$'))x#end"

    assert render(template, body=json.dumps([1] * 1_000)).text == "x" * 1_000
    with pytest.raises(TemplateFailed, match="1000"):
        render(template, body=json.dumps([1] * 1_001))


@pytest.mark.parametrize("text", ["$[", "a b", "$.a | $.b", "$" + ".a" * 2_000])
def test_a_json_path_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedJsonPath):
        JsonPath(text)


NESTED: dict[str, Any] = {"a": 1}
for _ in range(80):
    NESTED = {"a": NESTED}
WIDE = "[" + '"",' * 250_000 + '""]'


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        ("$..a..a..a..a", json.dumps(NESTED), "more than 250000 values"),
        ("$..x", WIDE, "more than 250000 values"),
        ("$[*]", WIDE, "more than 250000 values"),
        ("$..*", '{"a":' * 90 + '"' + "x" * 200_000 + '"' + "}" * 90, "too much text"),
        ("$..*", '{"a":' * 300 + "1" + "}" * 300, "cannot be followed"),
    ],
)
def test_a_path_into_a_strangers_document_is_followed_so_far_and_no_further(path: str, body: str, why: str) -> None:
    with pytest.raises(TemplateFailed, match=why):
        render(f"$input.json('{path}')", body=body)


def test_a_path_leads_to_as_many_values_as_are_allowed() -> None:
    body = "[" + "0," * 249_999 + "0]"

    assert render("$input.path('$[*]').size()", body=body).text == "250000"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.b[?(@.p<10)].t", '["x"]'),
        ("$.b[?@.t=='$..*'].p", "[11]"),
        ("$.b[?length(@.t)>1].p", "[11]"),
        ("$..b[?(@.p<10)].t", '["x"]'),
    ],
)
def test_a_filter_asks_about_members_of_its_element(path: str, found: str) -> None:
    body = json.dumps({"b": [{"p": 1, "t": "x"}, {"p": 11, "t": "$..*"}]})

    assert render(f'$input.json("{path}")', body=body).text == found


@pytest.mark.parametrize("path", ["$.b[?(@.p==$.c)]", "$.b[?(@..p)]", "$.b[?@.x[?@.*]]", "$[?(@.p==1 && @.*)"])
def test_a_filter_that_asks_about_anything_else_is_refused_by_name(path: str) -> None:
    with pytest.raises(MalformedJsonPath, match=r"a filter with (\$|\.\.|\*) is not supported"):
        JsonPath(path)


DOUBLED = "#set($a=[1])#set($b=[1])#foreach($i in [1..40])#set($a=[$a,$a])#set($b=[$b,$b])#end"


@pytest.mark.parametrize(
    "asks",
    ["#if($a==$b)1#end", "$a.equals($b)", "#set($c=[$a])$c.contains($b)", "#set($c={'k':$a})$c.containsValue($b)"],
)
def test_comparing_lists_in_lists_is_counted(asks: str) -> None:
    with pytest.raises(TemplateFailed, match="steps"):
        render(DOUBLED + asks)


@pytest.mark.parametrize(
    ("asks", "answer"),
    [
        ("[1,'a',{'x':2}]==[1,'a',{'x':2}]", "yes"),
        ("[1,2]==[1,3]", "no"),
        ("[1,2]==[1]", "no"),
        ("{'x':1}=={'x':2}", "no"),
        ("{'x':1}=={'y':1}", "no"),
        ("[[1]]==[1]", "no"),
    ],
)
def test_lists_and_maps_are_equal_by_what_they_hold(asks: str, answer: str) -> None:
    left, right = asks.split("==")

    assert render(f"#set($l={left})#set($r={right})#if($l==$r)yes#{{else}}no#end").text == answer


@given(st.text(alphabet="$#{}()[]!.'\"\\ abif=set+1,\n", max_size=60))
def test_any_text_is_compiled_or_refused_and_rendered_or_fails(text: str) -> None:
    with contextlib.suppress(UnsupportedTemplate, TemplateFailed):
        assert isinstance(render(text).text, str)
