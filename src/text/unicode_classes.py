"""Writes unicode_classes.cc beside this file. Needs clang-format, and unicodedata2 16 from PyPI, which is Python's
unicodedata with a Unicode version that doesn't depend on Python's."""
import pathlib
import subprocess

import unicodedata2

assert unicodedata2.unidata_version == "16.0.0"

# Unicode's White_Space property, which has not changed since version 6.3; unicodedata doesn't have it.
WHITE_SPACE = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}


def character_class(code_point):
    if code_point in WHITE_SPACE:
        return "kSpace"
    return {"L": "kLetter", "N": "kNumber"}.get(unicodedata2.category(chr(code_point))[0], "kOther")


runs, previous = [], None
for code_point in range(0x110000):
    current = character_class(code_point)
    if current != previous:
        runs.append(f"{{0x{code_point:X}, {current}}}")
        previous = current

source = f"""// Written by unicode_classes.py from Unicode {unicodedata2.unidata_version}.
#include "text/unicode_classes.h"

#include <algorithm>
#include <iterator>

namespace stenod::text {{
namespace {{

using enum CharacterClass;

/// Code points of one class, up to the next run's first.
struct Run {{
  char32_t first;
  CharacterClass character_class;
}};

constexpr Run kRuns[] = {{{", ".join(runs)}}};

}}  // namespace

CharacterClass character_class(char32_t code_point) {{
  const Run* next = std::upper_bound(std::begin(kRuns), std::end(kRuns), code_point,
                                     [](char32_t value, const Run& run) {{ return value < run.first; }});
  return std::prev(next)->character_class;
}}

}}  // namespace stenod::text
"""
path = pathlib.Path(__file__).with_suffix(".cc")
path.write_text(source)
subprocess.run(["clang-format", "-i", path], check=True)
