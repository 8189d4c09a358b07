/* YAML as JSON: PyYAML's words and numbers, aliases, tags, and what is refused. */
#include "base/yaml.h"

#include <stdlib.h>

#include "unit.h"

static struct error err;

static void expect(const char *yaml, const char *want)
{
	struct buf out = { 0 };

	if (yaml_to_json(yaml, strlen(yaml), &out, &err) != OK)
		fail_msg("%s: %s", yaml, err.text);
	assert_string_equal(out.data, want);
	buf_release(&out);
}

static void expect_refused(const char *yaml, const char *why)
{
	struct buf out = { 0 };

	assert_int_equal(yaml_to_json(yaml, strlen(yaml), &out, &err), ERR_DATA);
	if (!strstr(err.text, why))
		fail_msg("%s: says '%s'", yaml, err.text);
	buf_release(&out);
}

static void plain_words_are_pyyamls(void **state)
{
	(void)state;
	expect("[yes, No, ON, off, true, FALSE, y, n, tRue]", "[true,false,true,false,true,false,\"y\",\"n\",\"tRue\"]");
	expect("[~, null, NULL, nULL, '']", "[null,null,null,\"nULL\",\"\"]");
	expect("[0, 12, -7, +3, 1_000, 0x1F, 017, 0b101, 08, 1e5, 1.0e5, 1.0e+5, 1., .5, -.25, 1.2.3, 1:30]",
	       "[0,12,-7,3,1000,31,15,5,\"08\",\"1e5\",\"1.0e5\",100000.0,1.0,0.5,-0.25,\"1.2.3\",\"1:30\"]");
	expect("['12', \"yes\", !!str 5, !!null 'null', !!int '7']", "[\"12\",\"yes\",\"5\",null,7]");
}

static void nested_things(void **state)
{
	(void)state;
	expect("", "null");
	expect("task: a\nlist:\n  - metric: acc\n    up: true\n  - {metric: b}\ntext: |\n  one\n  two\nfold: >-\n  x\n  y\n",
	       "{\"task\":\"a\",\"list\":[{\"metric\":\"acc\",\"up\":true},{\"metric\":\"b\"}],\"text\":\"one\\ntwo\\n\",\"fold\":\"x y\"}");
	expect("a: &x [1, {b: 2}]\nc: *x\nd: &y z\ne: *y", "{\"a\":[1,{\"b\":2}],\"c\":[1,{\"b\":2}],\"d\":\"z\",\"e\":\"z\"}");
	expect("f: !function utils.go\ng: 1", "{\"f\":{\"!function\":\"utils.go\"},\"g\":1}");
	expect("- a\n- - b\n  - &k {c: d}\n- *k", "[\"a\",[\"b\",{\"c\":\"d\"}],{\"c\":\"d\"}]");
}

static void what_is_refused(void **state)
{
	char deep[300] = "";
	(void)state;
	expect_refused("a: *b", "alias of nothing");
	expect_refused("a: &b [*b]", "within what it names");
	expect_refused("a: [1", "did not find");
	expect_refused("a: b\n---\nc: d", "second document");
	expect_refused("? [1]\n: 2", "plain word");
	expect_refused("a: &x {b: 1}\nc:\n  <<: *x", "merge keys");
	expect_refused("a: \xff\xfe", "line");
	memset(deep, '[', 200);
	expect_refused(deep, "too deep");
	/* nine steps of nine each: 387 million words */
	expect_refused("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
		       "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
		       "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\ni: [*h,*h,*h,*h,*h,*h,*h,*h,*h]\n",
		       "too large");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_words_are_pyyamls), cmocka_unit_test(nested_things), cmocka_unit_test(what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
