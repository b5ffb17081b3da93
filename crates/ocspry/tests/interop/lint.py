"""Runs pkilint's own command line, `lint_ocsp_response lint -s WARNING FILE`, on many files in one process.

lint.py FILE...

For each file one line: its name, the exit code, and what was found, parted by tabs.
"""

import contextlib
import io
import sys

from pkilint.bin import lint_ocsp_response

for file in sys.argv[1:]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = lint_ocsp_response.main(["lint", "-s", "WARNING", file])
    print(file, code, " ".join(said.getvalue().split()), sep="\t")
