//! The imports of Python sources, through the closure that is made of them.

use std::fs;

use haulier_model::RootKind;
use haulier_pack::{PackedRoots, Selection};

use crate::feed;

const SOURCES: [&str; 4] = [
    "import a, b.c as d; from e.f import (g,\n  h)\nif True: import i\n",
    "\"\"\"text import no\n\"\"\"\nimport \\\n  os\ntry:\n    from . import own\nexcept ImportError: pass\n",
    "x = f'{import_}' + '\\'' # import no\nclass A:\n    def b(self): import json, re\n",
    "\u{feff}from __future__ import annotations\r\nimport \u{fc}ber\rdef f(a=[1,{'b':2}]): return lambda: (yield)\n",
];

#[test]
fn imports() {
    let corpus: Vec<Vec<u8>> = SOURCES.iter().map(|source| source.as_bytes().to_vec()).collect();
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "os", "json"] {
        fs::write(folder.path().join(format!("{name}.py")), "").unwrap();
    }
    // Text that never ends, brackets that never close: each takes one look at each byte.
    let long: Vec<Vec<u8>> = ["\"\"\"", "'", "(", "\\\n", "import a,", "from a import ", "#", "import\\"]
        .iter()
        .map(|part| part.repeat(60_000 / part.len()).into_bytes())
        .collect();
    let scan = |bytes: &[u8]| {
        // A new file each time: a file that is overwritten is flushed by some file systems.
        let _ = fs::remove_file(folder.path().join("start.py"));
        fs::write(folder.path().join("start.py"), bytes).unwrap();
        let roots =
            PackedRoots::read(RootKind::Python, &[folder.path().to_owned()], &Selection::default(), &|_| {}).unwrap();
        let found = roots.closure(RootKind::Python, &["start".to_owned()]);
        assert!(!found.is_empty() && found.len() <= 5, "the module itself and what it may import");
    };
    long.iter().for_each(|bytes| scan(bytes));
    feed(&corpus, |length| (2 << 20) + 64 * length, scan);
}
