"""Numbers in English words into German ones, all words at once: latent tokens carry what the words must agree on.

python examples/translation.py [--steps 1000] [--batch 64] [--width 64] [--seed 0]

    z ~ p(z given x): a few latent tokens, one after the other      Kaiser et al. 2018, arXiv 1803.03382, sec. 2
    y ~ prod_t p(y_t given z, x): all words at once                 codes: van den Oord et al. 2017, arXiv 1711.00937

A number has several right translations: 1,205 is "zwoelf hundert fuenf", "ein tausend zwei hundert und fuenf", and so
on, and the corpus draws one of them.  Words that are chosen independently mix them.  Three models of about one
size learn from the same batches: an autoregressive Transformer (greedy, with a key-value cache), the latent tokens, and
the same decoder without them.  Printed are the share of held-out numbers whose translation is a right one, word for
word, the time to translate all of them at once and one by one, and what the decoder makes of the codes of a right
answer, which no translator has: what is lost beside it the prior over the latent tokens loses.
"""

from __future__ import annotations

import argparse
import itertools
import random
import time
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hvae import Datum, Evidence, given, mode, posterior, run
from hvae.condition import Condition
from hvae.distributions import OverTime, Tokens
from hvae.levels import Replace
from hvae.levels.codebook import CodeLevel, CodePrior
from hvae.levels.quantisers import Nearest
from hvae.models.coded import Booked
from hvae.models.conditioning import Entry
from hvae.nn.averages import LivingBook
from hvae.nn.begin import initialise
from hvae.nn.codebook import straight_through
from hvae.nn.transformer import CausalTransformer
from hvae.objectives import ELBO
from hvae.site import Visit

_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_ZEHNER = "zehn elf zwoelf dreizehn vierzehn fuenfzehn sechzehn siebzehn achtzehn neunzehn"
ONES = f"zero one two three four five six seven eight nine {_TEENS}".split(" ")
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
EINS = f"null ein zwei drei vier fuenf sechs sieben acht neun {_ZEHNER}".split(" ")
ZEHN = ["zwanzig", "dreissig", "vierzig", "fuenfzig", "sechzig", "siebzig", "achtzig", "neunzig"]
SOURCE = ["", *ONES, *TENS, "hundred", "thousand"]
TARGET = ["", *EINS, *ZEHN, "und", "hundert", "tausend"]
DIGITS, LONGEST, WORDS = 4, 6, 9
"""Numbers of so many digits have at most LONGEST words in English, and fewer than WORDS in German."""
LATENTS = 3


def english(n: int) -> list[str]:
    """A number in words.

    >>> " ".join(english(9_345))
    'nine thousand three hundred forty five'
    """
    if n < 20:
        return [ONES[n]]
    if n < 100:
        return [TENS[n // 10 - 2], *(english(n % 10) if n % 10 else [])]
    size, word = (1000, "thousand") if n >= 1000 else (100, "hundred")
    return [*english(n // size), word, *(english(n % size) if n % size else [])]


def german(n: int) -> list[list[str]]:
    """Every right translation of a number, in parts of words.

    >>> [" ".join(one) for one in german(21)], len(german(1_205))
    (['ein und zwanzig'], 6)
    """
    if n < 20:
        return [[EINS[n]]]
    if n < 100:
        return [[*([EINS[n % 10], "und"] if n % 10 else []), ZEHN[n // 10 - 2]]]
    if n < 1000:
        return _joined(n // 100, "hundert", n % 100)
    whole = _joined(n // 1000, "tausend", n % 1000)
    return whole + (_joined(n // 100, "hundert", n % 100) if 1100 <= n < 2000 else [])


def _joined(count: int, word: str, rest: int) -> list[list[str]]:
    """So many of a unit and the rest: one of it with or without "ein", a small rest with or without "und"."""
    heads = [[*one, word] for one in german(count)] + ([[word]] if count == 1 else [])
    tails = german(rest) if rest else [[]]
    tails = tails + [["und", *one] for one in tails if 0 < rest < 100]
    return [head + tail for head, tail in itertools.product(heads, tails)]


def coded(words: list[str], vocabulary: list[str], length: int) -> list[int]:
    """Words as tokens, then 0."""
    tokens = [vocabulary.index(word) for word in words]
    return tokens + [0] * (length - len(tokens))


def corpus(numbers: list[int], seed: int) -> tuple[Tensor, Tensor]:
    """Sources (N, LONGEST) and one right translation of each, drawn at random, (N, WORDS)."""
    draw = random.Random(seed)
    sources = [coded(english(n), SOURCE, LONGEST) for n in numbers]
    targets = [coded(draw.choice(german(n)), TARGET, WORDS) for n in numbers]
    return torch.tensor(sources), torch.tensor(targets)


INFERENCE = ("seen.", "to_code.")
"""What reads a translation in training, and translates nothing."""


class Queries(nn.Module):
    """A network whose `count` positions look at each other and at a memory: (B, M, W) -> (B, count, W)."""

    def __init__(self, count: int, width: int, layers: int) -> None:
        super().__init__()
        self.first = nn.Parameter(0.1 * torch.randn(count, width))
        part = nn.TransformerDecoderLayer(width, 4, 2 * width, 0.0, batch_first=True, norm_first=True)
        self.network = nn.TransformerDecoder(part, layers, norm=nn.LayerNorm(width))

    def forward(self, memory: Tensor) -> Tensor:
        out: Tensor = self.network(self.first.expand(len(memory), -1, -1), memory)
        return out


class Reader(nn.Module):
    """Tokens (B, T) to what is known of each, (B, T, W)."""

    def __init__(self, vocabulary: int, length: int, width: int, layers: int) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(vocabulary, width), nn.Parameter(0.1 * torch.randn(length, width))
        part = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True, norm_first=True)
        self.network = nn.TransformerEncoder(part, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.network(self.embed(tokens.long()) + self.place)
        return out


class Alone(nn.Module):
    """Encoder output from the evidence alone."""

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        return e


class Latent(Booked):
    r"""Latent tokens given the source, and all words at once given both.

    $$p(y, z \mid x) = \prod_i p(z_i \mid z_{<i}, x) \prod_t p(y_t \mid z, x)$$

    With one code, whose index says nothing, it is the same decoder without latents.
    """

    conditions = MappingProxyType({"source": Condition(shape=(LONGEST,))})
    limits = (0.0, len(TARGET) - 1.0)

    def __init__(self, codes: int, width: int, layers: int = 2, dims: int = 16) -> None:
        super().__init__()
        self.shape = (WORDS,)
        self.reader = Reader(len(SOURCE), LONGEST, width, layers)
        self.seen = nn.ModuleList([Reader(len(TARGET), WORDS, width, layers), Queries(LATENTS, width, layers)])
        self.to_code, self.of_code = nn.Linear(width, dims), nn.Linear(dims, width)
        self.ahead = Queries(LATENTS, width, 1)
        prior = CausalTransformer(codes, (1, LATENTS), width=width, layers=layers, heads=4)
        self.level = CodeLevel(
            "z",
            book=LivingBook(codes, dims),
            read=Alone(),
            quantiser=Nearest(straight_through, commitment=0.25, weight=1.0),
            prior=CodePrior(prior, nn.Identity()),
            absorb=Replace(nn.Identity()),
        )
        self.books = {"z": self.level.book}
        self.decoder, self.leave = Queries(WORDS, width, layers), nn.Linear(width, len(TARGET))

    def prepare(self, datum: Datum) -> None:
        initialise(self, lambda: self(datum))

    def features(self, datum: Datum) -> dict[str, Tensor]:
        words, source = self.seen[0](datum.x), self.reader(datum.context["source"])
        e = self.to_code(self.seen[1](torch.cat([words, source], 1)))  # (B, L, D)
        return {"z": e.transpose(1, 2)[:, :, None]}

    def walk(self, visit: Visit, evidence: Evidence) -> Tensor:
        source = self.reader(evidence.context["source"])
        ahead = self.ahead(source).transpose(1, 2)[:, :, None]  # (B, W, 1, L)
        z = self.level(ahead, evidence.feature("z"), Entry(visit))
        tokens = self.of_code(z.flatten(2).transpose(1, 2))  # (B, L, W)
        logits = self.leave(self.decoder(torch.cat([source, tokens], 1)))
        return visit(evidence.site(OverTime(Tokens(logits.flatten(0, 1)), WORDS)))


class Autoregressive(nn.Module):
    """Each word given those before it: a reader, queries for each place, and a causal Transformer with a cache."""

    def __init__(self, width: int, layers: int = 2) -> None:
        super().__init__()
        self.reader = Reader(len(SOURCE), LONGEST, width, layers)
        self.around = Queries(WORDS, width, layers)
        self.words = CausalTransformer(len(TARGET), (1, WORDS), width=width, layers=2 * layers, heads=4)

    def context(self, source: Tensor) -> Tensor:
        return self.around(self.reader(source)).transpose(1, 2)[:, :, None]

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """-log p(y given x), nats, the mean over a batch."""
        logits = self.words(target[:, None], self.context(source))
        return F.cross_entropy(logits[:, :, 0], target, reduction="sum") / len(target)

    @torch.no_grad()
    def translate(self, source: Tensor) -> Tensor:
        return self.words.draw(len(source), lambda logits: logits.argmax(1), self.context(source))[:, 0]


def translate(model: Latent, source: Tensor) -> Tensor:
    """The most probable latent tokens in turn, then the most probable word at each place."""
    with torch.no_grad():
        trace = run(model, mode, model.nothing(context={"source": source.float()}))
    return trace.x.long()


def from_right_codes(model: Latent, source: Tensor, target: Tensor) -> Tensor:
    """The words at the codes of a right translation."""
    with torch.no_grad():
        evidence = model.evidence(target.float(), {"source": source.float()})
        z = run(model, posterior, evidence)["z"].value
        trace = run(model, given({"z": z}, mode), model.nothing(context={"source": source.float()}))
    return trace.x.long()


def train(model: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], steps: int) -> None:
    """Adam, whose rate rises for a tenth of the steps and falls linearly to zero."""
    optimiser, objective = torch.optim.AdamW(model.parameters(), 2e-3), ELBO()
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda i: min(10 * (i + 1) / steps, 1 - i / steps))
    for step, (source, target) in enumerate(itertools.islice(batches, steps)):
        optimiser.zero_grad()
        if isinstance(model, Latent):
            datum = Datum(target.float(), {"source": source.float()})
            if not step:
                model.prepare(datum)
            model.before_step()
            objective(model(datum), step).total.backward()
        else:
            model(source, target).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        rate.step()
        if isinstance(model, Latent):
            model.after_step()
    model.eval()


def batches(size: int, test: set[int], seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Numbers of every length alike, none of them held out; the same for every model."""
    draw = random.Random(seed)
    for at in itertools.count():
        some = [n for n in (int(10 ** draw.uniform(0, DIGITS)) for _ in range(2 * size)) if n not in test][:size]
        yield corpus(some, seed + at)


def right(numbers: list[int], answer: Tensor) -> float:
    """Share of the answers that are a right translation, word for word."""
    ok = [[TARGET[t] for t in row if t] in german(n) for n, row in zip(numbers, answer.tolist(), strict=True)]
    return sum(ok) / len(ok)


def timed(translate_all: Callable[[Tensor], object], source: Tensor, repeats: int = 3) -> tuple[Any, float]:
    """An answer, and the shortest of some times to find it, seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        answer = translate_all(source)
        times.append(time.perf_counter() - start)
    return answer, min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--codes", type=int, default=64)
    parser.add_argument("--test", type=int, default=500, help="numbers held out")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw = random.Random(1)
    test = sorted(draw.sample(range(100, 10**DIGITS), args.test))
    source, target = corpus(test, 2)
    models = {
        "autoregressive": lambda: Autoregressive(args.width),
        f"{LATENTS} latent tokens of {args.codes}": lambda: Latent(args.codes, args.width),
        "no latents": lambda: Latent(1, args.width),
    }
    print(
        f"{len(test):,} held-out numbers, {sum(len(german(n)) for n in test) / len(test):.1f} right translations each"
    )
    for name, build in models.items():
        torch.manual_seed(args.seed)
        model = build()
        start = time.perf_counter()
        train(model, batches(args.batch, set(test), args.seed), args.steps)
        seconds = time.perf_counter() - start
        how = model.translate if isinstance(model, Autoregressive) else lambda s, m=model: translate(m, s)
        answer, all_at_once = timed(how, source)
        _, alone = timed(lambda s, how=how: [how(row[None]) for row in s[:20]], source)
        weights = sum(w.numel() for key, w in model.named_parameters() if not key.startswith(INFERENCE))
        print(
            f"{name:24} {weights:8,} weights  right {right(test, answer):6.1%}  all {1000 * all_at_once:6.0f} ms  "
            f"one by one {1000 * alone / min(20, len(test)):5.1f} ms each  (trained {seconds:.0f} s)"
        )
        if isinstance(model, Latent) and len(model.level.book.codes) > 1:
            answer = from_right_codes(model, source, target)
            print(f"{'  from the right codes':24} {'':17}  right {right(test, answer):6.1%}")


if __name__ == "__main__":
    main()
