"""Where objects lie."""

import time
from concurrent.futures import ThreadPoolExecutor

from stemma.repo.places import Bucket


def test_threads_that_ask_a_bucket_at_once_share_one_client() -> None:
    opened: list[object] = []

    def open_it() -> object:
        time.sleep(0.05)
        opened.append(object())
        return opened[-1]

    bucket = Bucket(open_it, "models/dvc", "cloud", "s3://models/dvc")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: bucket.fs, range(8)))
    assert len(opened) == 1 and set(found) == set(opened)
