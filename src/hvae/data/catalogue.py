"""The catalogue of known data sets: what each is, the layouts it comes in, and where it is published."""

from __future__ import annotations

from hvae.data.cells import drawn_cells
from hvae.data.fetch import Remote
from hvae.data.fundus import drawn_fundus
from hvae.data.imagenet import IMAGENETS
from hvae.data.known import KnownSet, Layout
from hvae.data.layouts import (
    cifar10_bin,
    cifar10_mosaics,
    cifar10_py,
    cifar10_tar,
    digits,
    drawn_shapes,
    fashion_idx,
    lpc_sprites,
    mnist_idx,
    omniglot_folders,
    omniglot_npz,
    omniglot_zips,
    static_amat,
    static_npz,
)
from hvae.data.raw import Raw

CIFAR_FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
IDX_FILES = tuple(f"{part}?idx?-ubyte*" for part in ("train-images", "train-labels", "t10k-images", "t10k-labels"))


def _idx_remotes(md5s: tuple[str, ...], *mirrors: str) -> tuple[Remote, ...]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    files = [f"{name}-ubyte.gz" for name in names]
    return tuple(Remote(f, md5, tuple(m + f for m in mirrors)) for f, md5 in zip(files, md5s, strict=True))


MNIST = KnownSet[Raw](
    name="mnist",
    what="handwritten digits, grey (LeCun, Cortes, Burges 1998)",
    shape=(1, 28, 28),
    bits=8,
    sizes={"train": 60_000, "test": 10_000},
    digests={
        "train": "d18cfd466eb143ac1097fde604dba9eec4116885869d04cc648b510949f9e88c",
        "test": "a0863a96c44e5666edbb30c4071ee79ca0514c621e6349c5967fc78e7305c891",
    },
    licence="CC BY-SA 3.0",
    folders=("mnist", "MNIST/raw", "MNIST"),
    layouts=(Layout(IDX_FILES, mnist_idx),),
    remotes=_idx_remotes(
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
)
FASHION = KnownSet[Raw](
    name="fashion-mnist",
    what="photographs of clothes, grey (Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747)",
    shape=(1, 28, 28),
    bits=8,
    sizes={"train": 60_000, "test": 10_000},
    licence="MIT",
    folders=("fashion-mnist", "fashion_mnist", "FashionMNIST/raw"),
    layouts=(Layout(IDX_FILES, fashion_idx),),
    remotes=_idx_remotes(
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    system=("/usr/share/datasets/fashion-mnist",),
)
STATIC = KnownSet[Raw](
    name="mnist-static",
    what="MNIST binarised once by H. Larochelle, as in most tables (Salakhutdinov and Murray 2008)",
    shape=(1, 28, 28),
    bits=1,
    sizes={"train": 50_000, "valid": 10_000, "test": 10_000},
    digests={
        "train": "43490d4d6ac9002727af4426d8748609fdb7e4094fa65ad8d681ea60082a7a5a",
        "valid": "069b4f0beb389b776478c3e872b4df71c95ac4be64d7cbe6d32e24ebac8e6d5e",
        "test": "ca0294c3b8d984c7a1dc891015a8eea6f37bae59a34e35ea0fc8c47110a8dd86",
    },
    licence="CC BY-SA 3.0",
    folders=("mnist_static", "mnist-static", "MNIST_static", "binarized_mnist"),
    layouts=(
        Layout(("binarized_mnist_larochelle.npz",), static_npz),
        Layout(("binarized_mnist_train.amat", "binarized_mnist_valid.amat", "binarized_mnist_test.amat"), static_amat),
    ),
    remotes=tuple(
        Remote(f, md5, (f"http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/{f}",))
        for f, md5 in (
            ("binarized_mnist_train.amat", "db28b1a6ae0fe70cbd3da91acf46e477"),
            ("binarized_mnist_valid.amat", "bf37822a04e94123630de6a7dfd9c9ef"),
            ("binarized_mnist_test.amat", "14e41ae11040adba6ab8cb291eda0dd8"),
        )
    ),
)
OMNIGLOT = KnownSet[Raw](
    name="omniglot",
    what="1,623 handwritten characters by 20 drawers each, grey 28x28 (Lake, Salakhutdinov, Tenenbaum 2015)",
    shape=(1, 28, 28),
    bits=8,
    sizes={"train": 24_345, "test": 8_115},
    licence="MIT",
    folders=("omniglot", "omniglot-py", "Omniglot"),
    layouts=(
        Layout(("omniglot_28x28.npz",), omniglot_npz),
        Layout(("images_background.zip", "images_evaluation.zip"), omniglot_zips),
        Layout(("images_background", "images_evaluation"), omniglot_folders),
    ),
    remotes=tuple(
        Remote(f"{part}.zip", md5, (f"https://github.com/brendenlake/omniglot/raw/master/python/{part}.zip",))
        for part, md5 in (
            ("images_background", "68d2efa1b9178cc56df9314c21c6e718"),
            ("images_evaluation", "6b91aef0f799c5bb55b94e3f2daec811"),
        )
    ),
)
CIFAR10 = KnownSet[Raw](
    name="cifar10",
    what="photographs of ten kinds of things, colour (Krizhevsky 2009)",
    shape=(3, 32, 32),
    bits=8,
    sizes={"train": 50_000, "test": 10_000},
    digests={"train": "973ef2abb5897efc795681a4d79a6f5f642fa2bcb1a828f7476017c89db53a57"},
    licence="none stated; free for research with citation",
    folders=(*(f"cifar10{sub}" for sub in ("", "/cifar-10-batches-bin", "/cifar-10-batches-py")), *CIFAR_FOLDERS, "."),
    short="first {n:,} of {full:,} {split} images",
    layouts=(
        Layout((*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"), cifar10_bin),
        Layout((*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"), cifar10_py),
        Layout(("cifar-10-binary.tar.gz",), cifar10_tar),
        Layout(("cifar-10-python.tar.gz",), cifar10_tar),
        Layout(("train_*.webp", "test_*.webp", "labels.npz"), cifar10_mosaics),
    ),
    remotes=(
        Remote(
            "cifar-10-binary.tar.gz",
            "c32a1d4ab5d03f1284b67883e8d87530",
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
        ),
    ),
)
DIGITS = KnownSet[Raw](
    name="digits",
    what="handwritten digits, 8x8 grey, shipped with scikit-learn (Alpaydin and Kaynak 1998)",
    shape=(1, 8, 8),
    bits=4,
    sizes={"train": 1_797},
    licence="CC BY 4.0",
    folders=(),
    layouts=(),
    made=digits,
)
SHAPES = KnownSet[Raw](
    name="shapes",
    what="squares, ellipses and hearts drawn from shape, scale, orientation, x and y: every combination once, grey",
    shape=(1, 32, 32),
    bits=8,
    sizes={"train": 4_608},
    licence="drawn by this program; free",
    folders=(),
    layouts=(),
    made=drawn_shapes,
)
CELLS = KnownSet[Raw](
    name="cells",
    what="threads and nuclei as a fluorescence microscope shows them, drawn from one seed, grey",
    shape=(1, 64, 64),
    bits=8,
    sizes={"train": 2_000},
    licence="drawn by this program; free",
    folders=(),
    layouts=(),
    made=drawn_cells,
)
FUNDUS = KnownSet[Raw](
    name="fundus",
    what="the back of an eye, one in ten with microaneurysms a pixel wide, drawn from one seed, grey",
    shape=(1, 64, 64),
    bits=8,
    sizes={"train": 1_000, "valid": 200, "test": 600},
    licence="drawn by this program; free",
    folders=(),
    layouts=(),
    made=drawn_fundus,
)
SPRITES = KnownSet[Raw](
    name="lpc-sprites",
    what="figures of 6 bodies, bottoms, tops and hairs, 3 actions and directions: every combination once, colour",
    shape=(3, 64, 64),
    bits=8,
    sizes={"train": 11_664},
    licence="CC BY-SA 3.0 or GPL-3.0, the Liberated Pixel Cup's artists",
    folders=("lpc_sprites", "lpc-sprites", "."),
    layouts=(Layout(("lpc_sprites_64x64.npz",), lpc_sprites),),
    scarce="no one file of it is published: compose it from github.com/YingzhenLi/Sprites, or use 'shapes'",
)
SETS = {
    known.name: known
    for known in (DIGITS, SHAPES, CELLS, FUNDUS, MNIST, STATIC, FASHION, OMNIGLOT, CIFAR10, SPRITES, *IMAGENETS)
}
