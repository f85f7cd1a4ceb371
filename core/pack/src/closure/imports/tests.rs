//! A table of statements, and sources that are none.

use proptest::prelude::*;

use super::*;

fn imports(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    visit(source.as_bytes(), &mut |name| found.push(name.to_owned()));
    found
}

#[test]
fn statements() {
    let table: [(&str, &[&str]); 26] = [
        ("import a", &["a"]),
        ("import a.b.c as d, e", &["a", "e"]),
        ("import a, b;import c\nimport d", &["a", "b", "c", "d"]),
        ("from a import b, c", &["a"]),
        ("from a.b import (c,\n  import_me,  # from x import y\n  d)\nimport e", &["a", "e"]),
        ("from . import a\nfrom .b import c\nfrom ... import d\nfrom .e.f import g", &[]),
        ("if x: import a\nelse: import b", &["a", "b"]),
        ("try:\n    import a\nexcept ImportError:\n\timport b", &["a", "b"]),
        ("def f(x: int = {1: 2}[1]) -> int:\n    import a; return a", &["a"]),
        ("import a.\\\n  b, \\\r\n c", &["a", "c"]),
        ("# import a\nx = 1 # import b", &[]),
        ("'import a'\n\"\"\"\nimport b\n'\nfrom c import d\n\"\"\"\nimport e", &["e"]),
        ("x = 'a\\'\\\nimport b'\nimport c", &["c"]),
        ("x = r'\\'\nimport a", &["a"]),
        ("x = \"it's\"; import a", &["a"]),
        ("x = 'no end\nimport a", &["a"]),
        ("x = f'{a[\"b\"]}'\nimport c", &["c"]),
        ("x = f\"{\", \".join(f(\"x\"))}\"\nimport c", &["c"]),
        ("def g():\n  x = yield from import_all()\n  raise E from e", &[]),
        ("f(\nimportant,\nfrom_here)\nimport a", &["a"]),
        ("async def f():\n    async with x: from a import b", &["a"]),
        ("from __future__ import annotations\nimport ünï", &["__future__", "ünï"]),
        ("class A:\n    import a\n\r\n    b = lambda: 0\r\n    import c\r\n", &["a", "c"]),
        ("import", &[]),
        ("from", &[]),
        ("import a as", &["a"]),
    ];
    for (source, expected) in table {
        assert_eq!(imports(source), expected, "{source}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        visit(&bytes, &mut |_| {});
    }

    #[test]
    fn arbitrary_statements_never_panic(text in r#"(import |from |\\|\n|"|'|"""|\(|\)|a|,|\.|:|;|#| ){0,40}"#) {
        visit(text.as_bytes(), &mut |_| {});
    }
}
