"""Tables for terminals of any width: no number and no name is ever cut.

The last column, if it has a head, is prose and wraps at words; heads wrap at words.  Where that is not enough, whole
columns are left out, by name, with a line that says which and where they are; where even two do not fit, or columns
have no names, each row becomes a block of lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from hvae.screen.text import for_lines, for_screen

GAP = "  "
_NUMBER = re.compile(r"(-?[\d,.]+( [%kMG])?)?")
"""What stands to the right in a column of nothing else."""
PROSE = 20
"""Characters that prose needs at least to be read."""


@dataclass
class Table:
    """Rows under heads.  `first_to_go`: heads that are left out before others, which go from the right."""

    heads: Sequence[str]
    title: str = ""
    first_to_go: Sequence[str] = ()
    elsewhere: str = "a wider window or --json"
    rows: list[list[str]] = field(default_factory=list)

    def add_row(self, *cells: str) -> None:
        """One more row of as many cells as there are heads, the first one its name."""
        assert len(cells) == len(self.heads), f"expected {len(self.heads)} cells, got {len(cells)}"
        self.rows.append([for_lines(cell) for cell in cells])

    def lines(self, width: int) -> Iterator[Text]:
        """The table in lines of at most `width` cells; a single word that is longer stays whole."""
        if self.title:
            yield from (Text(line, "italic") for line in wrapped(for_lines(self.title), width))
        columns = self._columns(width)
        if not columns:
            yield from self._blocks(width)
            return
        if self._named:
            yield from (Text(line, "bold") for line in self._laid([self.heads], columns, width))
        yield from map(Text, self._laid(self.rows, columns, width))
        if left_out := [for_screen(head) for i, head in enumerate(self.heads) if head and i not in columns]:
            # Heads may have commas of their own, as "-ELBO, nats" has.
            text = f"left out, since the window is narrow: {'; '.join(left_out)} (see {self.elsewhere})"
            yield from (Text(line, "dim") for line in wrapped(text, width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # A file or a pipe has no width: prose wraps there too, and nothing is left out.
        width = options.max_width if console.is_terminal else max(options.max_width, self._natural())
        for line in self.lines(width):
            line.no_wrap, line.overflow = True, "ignore"
            yield line

    @property
    def _named(self) -> bool:
        return any(self.heads)

    @property
    def _prose(self) -> int:
        """The column that wraps; -1 for none."""
        last = len(self.heads) - 1
        return last if self.heads[last] or not self._named else -1

    def _columns(self, width: int) -> list[int]:
        """The columns that fit, two at least; none where blocks are better."""
        columns = [i for i, head in enumerate(self.heads) if head or any(row[i] for row in self.rows)]
        going = [self.heads.index(head) for head in self.first_to_go if head in self.heads]
        going += [i for i in reversed(columns[1:]) if i not in going]
        while self._least(columns) > width:
            if len(columns) <= 2 or not self._named:
                return []
            columns.remove(next(i for i in going if i in columns))
        return columns

    def _least(self, columns: Sequence[int]) -> int:
        return sum(map(self._narrowest, columns)) + len(GAP) * (len(columns) - 1)

    def _natural(self) -> int:
        """The width at which prose alone wraps."""
        others = [i for i in range(len(self.heads)) if i != self._prose]
        whole = sum(max(self._widest_cell(i), cell_len(self.heads[i])) for i in others)
        prose = self._narrowest(self._prose) if self._prose >= 0 else 0
        return whole + prose + len(GAP) * (len(self.heads) - 1)

    def _narrowest(self, i: int) -> int:
        words = [*self.heads[i].split(), *(word for row in self.rows for word in row[i].split() if i == self._prose)]
        return max(_widest(words), min(self._widest_cell(i), PROSE) if i == self._prose else self._widest_cell(i))

    def _widest_cell(self, i: int) -> int:
        return _widest(line for row in self.rows for line in row[i].split("\n"))

    def _widths(self, columns: Sequence[int], width: int) -> dict[int, int]:
        """The narrowest widths, widened from the left while there is room for more of a head or of prose."""
        widths = {i: self._narrowest(i) for i in columns}
        spare = width - self._least(columns)
        for i in columns:
            more = max(0, min(spare, max(self._widest_cell(i), cell_len(self.heads[i])) - widths[i]))
            widths[i], spare = widths[i] + more, spare - more
        return widths

    def _laid(self, rows: Sequence[Sequence[str]], columns: Sequence[int], width: int) -> Iterator[str]:
        widths = self._widths(columns, width)
        for row in rows:
            cells = [wrapped(for_lines(row[i]), widths[i]) for i in columns]
            for k in range(max(map(len, cells))):
                parts = zip((cell[k] if k < len(cell) else "" for cell in cells), columns, strict=True)
                yield GAP.join(_padded(part, widths[i], self._is_numeric(i)) for part, i in parts).rstrip()

    def _is_numeric(self, i: int) -> bool:
        return any(row[i] for row in self.rows) and all(_NUMBER.fullmatch(row[i]) for row in self.rows)

    def _blocks(self, width: int) -> Iterator[Text]:
        for name, *cells in self.rows:
            yield from (Text(line, "bold") for line in wrapped(name, width))
            for head, cell in zip(self.heads[1:], cells, strict=True):
                text = f"{for_screen(head)}: {cell}" if head else cell
                yield from (Text(GAP + line) for line in wrapped(text, width - len(GAP)) if cell)


def table(*heads: str, title: str = "", first_to_go: Sequence[str] = (), elsewhere: str = "") -> Table:
    """A table of these columns.

    >>> levels = table("level", "nats", "what it says")
    >>> levels.add_row("z1", "17,224.20", "much, in words that wrap")
    >>> print(*(line.plain for line in levels.lines(40)), sep="\\n")
    level       nats  what it says
    z1     17,224.20  much, in words that
                      wrap
    """
    return Table(heads, title, first_to_go, elsewhere or Table.elsewhere)


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken at blanks alone: a longer word stays whole.

    >>> wrapped("a bound of 17,224.20 nats", 9)
    ['a bound', 'of', '17,224.20', 'nats']
    """
    return [line for part in text.split("\n") for line in _broken(part, width)]


def _broken(text: str, width: int) -> list[str]:
    if cell_len(text) <= width:
        return [text]
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cell_len(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _widest(texts: Sequence[str] | Iterator[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _padded(text: str, width: int, to_the_right: bool) -> str:
    blank = " " * (width - cell_len(text))
    return blank + text if to_the_right else text + blank
