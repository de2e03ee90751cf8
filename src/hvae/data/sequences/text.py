"""Text: lines or paragraphs as sequences of tokens, characters, words or pieces of words.

Token 0 ends every sequence, and is scored as the others are; token 1 stands for what is not in the vocabulary.

Shapes: `T` tokens of a sequence, its end among them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hvae.config.data import DataConfig
from hvae.data.sequences.form import SPLITS, SequenceForm
from hvae.data.sequences.raw import RawSequences, SequencePart, joined
from hvae.data.transforms import Array
from hvae.errors import HvaeError, missing_extra
from hvae.files import read_regular

END, UNKNOWN = "", "\N{REPLACEMENT CHARACTER}"
SPECIAL = (END, UNKNOWN)
MOST_TOKENS = 10_000
"""Words or pieces of a vocabulary unless data.vocabulary says another number."""
LARGEST = 1 << 30
SHARES = (0.9, 0.05)
"""Of a text without parts: training and validation sequences, in the order of the text; the rest is the test."""
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Vocabulary:
    """What each token stands for, how a text is cut into them, what stands between two when they are put together, and
    how byte pairs were merged, where they were."""

    symbols: tuple[str, ...]
    cut: Callable[[str], Sequence[str]]
    joint: str
    step: str
    merges: tuple[str, ...] = ()

    def tokens(self, text: str) -> Array:
        """The numbers of a text's tokens, its end the last, (T,) int32."""
        return np.array([*(self.numbers.get(part, 1) for part in self.cut(text)), 0], np.int32)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The number of each symbol."""
        return {symbol: n for n, symbol in enumerate(self.symbols)}


def read_text(path: Path, config: DataConfig) -> RawSequences:
    """A user's own: a text file, or a folder with train.txt, optionally valid.txt and test.txt, or with any others;
    folders of texts in a folder are classes."""
    return in_classes(of_parts(texts_of(path, config), config, str(path)), path, config)


def in_classes(raw: RawSequences, path: Path, config: DataConfig) -> RawSequences:
    """Texts of a folder with the class of each, where two or more folders in it are classes."""
    counts = {title: len(some) for title, some in _in_classes(path, config).items()}
    if len(counts) < 2:
        return raw
    labels = np.repeat(np.arange(len(counts)), list(counts.values()))
    return replace(raw, parts={"train": replace(raw.parts["train"], labels=labels)}, classes=tuple(counts))


def _in_classes(path: Path, config: DataConfig) -> dict[str, list[str]]:
    """The sequences of each sub-folder of text files, where no text lies beside them."""
    if not path.is_dir() or any(path.glob("*.txt")):
        return {}
    files = sorted(path.glob("*/*.txt"))
    texts: dict[str, list[str]] = {}
    for file in files:
        texts.setdefault(file.parent.name, []).extend(sequences(text_of(file), config))
    return texts


def texts_of(path: Path, config: DataConfig) -> dict[str, list[str]]:
    """The sequences of a text file, or of a folder, by split; all of them train where no file is named by it.

    Raises HvaeError for a split without any text.
    """
    classes = _in_classes(path, config)
    if any(classes.values()):
        return {"train": [text for some in classes.values() for text in some]}
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise HvaeError(f"{path}: expected a text file, or a folder of .txt files, got none")
    texts = {file.stem: text_of(file) for file in files}
    splits = {split: texts[split] for split in SPLITS if split in texts} if "train" in texts else {}
    parts = {split: sequences(one, config) for split, one in (splits or {"train": "\n\n".join(texts.values())}).items()}
    empty = [f"{split}.txt" if splits else "it" for split, some in parts.items() if not some]
    if empty:
        raise HvaeError(f"{path}: expected text, got nothing but blanks in {', '.join(empty)}; fill it or take it away")
    return parts


def shakespeare(folder: Path, config: DataConfig) -> RawSequences:
    """The first 90 % of the lines train, 5 % validate, the last 5 % test."""
    path = folder / "input.txt"
    every = sequences(text_of(path), config)
    ends = [round(share * len(every)) for share in (SHARES[0], sum(SHARES))]
    parts = {"train": every[: ends[0]], "valid": every[ends[0] : ends[1]], "test": every[ends[1] :]}
    return of_parts(parts, config, str(path))


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, a mark of byte order left out, with line ends of one kind.

    Raises HvaeError for other bytes, naming where.
    """
    try:
        return read_regular(path, LARGEST).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as fault:
        raise HvaeError(f"{path}: expected text in UTF-8, got other bytes at {fault.start:,}; convert it") from fault


def sequences(text: str, config: DataConfig) -> list[str]:
    """The lines of a text, or its paragraphs; empty ones are none."""
    parts = text.split("\n") if config.unit == "line" else re.split(r"\n\s*\n", text)
    return [part.strip() for part in parts if part.strip()]


def of_parts(parts: Mapping[str, Sequence[str]], config: DataConfig, where: str) -> RawSequences:
    """Texts as tokens; the vocabulary is that of the training texts."""
    words = vocabulary(parts["train"], config)
    done = {split: _part(some, words, f"{where} ({split})") for split, some in parts.items()}
    form = SequenceForm(kind="text", step=words.step, symbols=words.symbols, joint=words.joint, merges=words.merges)
    unknown = {split: int((part.levels == 1).sum()) for split, part in done.items()}
    outside = [f"{n:,} {words.step}s of {split} are not in the vocabulary" for split, n in unknown.items() if n]
    return RawSequences(
        parts=done,
        bits=max(1, (len(words.symbols) - 1).bit_length()),
        unit=1.0,
        form=form,
        transforms=(f"each {config.unit} a sequence of {words.step}s, {len(words.symbols):,} symbols", *outside),
    )


def _part(texts: Sequence[str], words: Vocabulary, where: str) -> SequencePart:
    return joined([words.tokens(text) for text in texts], where)


def vocabulary(texts: Sequence[str], config: DataConfig) -> Vocabulary:
    """The tokens of some texts, the commonest where there are too many."""
    most = config.vocabulary or MOST_TOKENS
    return MAKERS[config.tokens](texts, most)


def _characters(texts: Sequence[str], most: int) -> Vocabulary:
    return Vocabulary((*SPECIAL, *_commonest(Counter("".join(texts)), most)), list, "", "character")


def _words(texts: Sequence[str], most: int) -> Vocabulary:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_WORD.findall(text))
    return Vocabulary((*SPECIAL, *_commonest(counts, most)), _WORD.findall, " ", "word")


def _commonest(counts: Counter[str], most: int) -> list[str]:
    # Of equally common ones the first of the alphabet, so that the vocabulary is a function of the texts.
    return sorted(sorted(counts, key=lambda symbol: (-counts[symbol], symbol))[: max(1, most - len(SPECIAL))])


def _pieces(texts: Sequence[str], most: int) -> Vocabulary:
    """Byte pairs (Sennrich et al. 2016, arXiv 1508.07909) over bytes, by the library tokenizers."""
    tokenizers = _tokenizers()
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=max(1, most - len(SPECIAL)), show_progress=False)
    model.train_from_iterator(texts, trainer)
    return pieces(json.loads(model.to_str())["model"]["merges"], sorted(model.get_vocab()))


def pieces(merges: Sequence[Sequence[str]], symbols: Sequence[str]) -> Vocabulary:
    """A vocabulary of byte pairs with its merges; the blank before a word is part of its first piece."""
    tokenizers = _tokenizers()
    numbers = {symbol: n for n, symbol in enumerate(symbols)}
    model = tokenizers.Tokenizer(tokenizers.models.BPE(numbers, [tuple(pair) for pair in merges]))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    joined_pairs = tuple(" ".join(pair) for pair in merges)
    return Vocabulary((*SPECIAL, *symbols), lambda text: model.encode(text).tokens, "", "piece", joined_pairs)


def _tokenizers() -> Any:
    try:
        import tokenizers
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError:
        raise missing_extra("tokenizers", "text", purpose="data.tokens=bpe") from None
    return tokenizers


MAKERS: Mapping[str, Callable[[Sequence[str], int], Vocabulary]] = {
    "char": _characters,
    "word": _words,
    "bpe": _pieces,
}
"""By data.tokens."""


def cutter(form: SequenceForm) -> Callable[[str], Sequence[str]]:
    """How a text is cut into the tokens of a form."""
    if form.merges:
        return pieces([pair.split(" ") for pair in form.merges], form.symbols[len(SPECIAL) :]).cut
    return _WORD.findall if form.joint else list
