"""What the journal calls durable is there after a restart, in order."""

import select
import sqlite3

import pytest

from messages import MonitorError
from realtime.alerts.journal import Journal, JournalWriter, Row, read_since

UTC = "2026-01-02T03:04:05Z"


def row(sequence, epoch="e1"):
    return Row(epoch, sequence, "alert", b'{"n":%d}' % sequence, UTC)


def wait_for(writer, n):
    rows = []
    while len(rows) < n:
        readable, _, _ = select.select([writer], [], [], 10.0)
        assert readable, f"{len(rows)} of {n} rows after 10 s"
        rows += writer.drain()
    return rows


def numbers(rows):
    return [(one.epoch, one.sequence) for one in rows]


def test_rows_outlive_the_journal(tmp_path):
    first = Journal(tmp_path / "j.db", epoch="e1")
    first.append(4, "alert", b"{}", utc=UTC)
    first.append_all([row(5), row(7)])
    first.close()
    second = Journal(tmp_path / "j.db", epoch="e2")
    assert second.warning is None
    assert second.since("e1", 4) == [
        Row("e1", 5, "alert", b'{"n":5}', UTC, is_durable=True),
        Row("e1", 7, "alert", b'{"n":7}', UTC, is_durable=True),
    ]
    second.close()


def test_since_goes_on_into_later_epochs(tmp_path):
    journal = Journal(tmp_path / "j.db", epoch="e2")
    journal.append_all([row(3), row(4), row(1, "e2"), row(2, "e2")])
    assert numbers(journal.since("e1", 3)) == [("e1", 4), ("e2", 1), ("e2", 2)]
    assert numbers(journal.since("e2", 1)) == [("e2", 2)]
    assert numbers(journal.since("e2", 0)) == [("e2", 1), ("e2", 2)]
    assert numbers(journal.since("e2", 9)) == []
    assert len(journal.since("never", 3)) == 4
    assert numbers(journal.since("e1", 0, limit=2)) == [("e1", 3), ("e1", 4)]
    journal.close()


def test_it_waits_for_the_disk(tmp_path):
    journal = Journal(tmp_path / "j.db", epoch="e1")
    ask = journal._connection.execute
    assert ask("PRAGMA synchronous").fetchone() == (2,), "FULL"
    assert ask("PRAGMA journal_mode").fetchone() == ("wal",)
    journal.close()


def test_a_batch_is_written_whole_or_not_at_all(tmp_path):
    journal = Journal(tmp_path / "j.db", epoch="e1")
    with pytest.raises(sqlite3.IntegrityError):
        journal.append_all([row(1), row(2), row(1)])
    assert journal.since("e1", 0) == []
    journal.close()


@pytest.mark.parametrize("damage", ["text", "torn"])
def test_a_corrupt_file_is_kept_aside_and_a_new_one_begun(tmp_path, damage):
    path = tmp_path / "j.db"
    if damage == "text":
        path.write_text("this is no database, though it is long enough to look at" * 100)
    else:
        journal = Journal(path, epoch="e0")
        journal.append_all([row(n) for n in range(500)])
        journal.close()
        content = bytearray(path.read_bytes())
        content[4096:8192] = b"\xff" * 4096
        path.write_bytes(content)
    damaged = path.read_bytes()
    journal = Journal(path, epoch="e1")
    assert "corrupt" in journal.warning
    assert (tmp_path / "j.db.corrupt-e1").read_bytes() == damaged
    journal.append(1, "alert", b"{}", utc=UTC)
    assert numbers(journal.since("e1", 0)) == [("e1", 1)]
    journal.close()


def test_a_folder_that_is_not_there_is_an_error_that_speaks(tmp_path):
    with pytest.raises(MonitorError, match=r"journal j\.db"):
        Journal(tmp_path / "none" / "j.db", epoch="e1")


def test_the_writer_hands_rows_back_in_order_once_durable(tmp_path):
    writer = JournalWriter(tmp_path / "j.db", epoch="e1")
    for sequence in range(300):
        writer.submit(row(sequence))
    rows = wait_for(writer, 300)
    assert [one.sequence for one in rows] == list(range(300))
    assert all(one.is_durable for one in rows)
    assert read_since(tmp_path / "j.db", "e1", 297) == rows[298:]
    assert writer.drain() == []
    assert select.select([writer], [], [], 0.0)[0] == []
    assert writer.close() == []


def test_closing_writes_what_waits(tmp_path):
    writer = JournalWriter(tmp_path / "j.db", epoch="e1")
    for sequence in range(20):
        writer.submit(row(sequence))
    assert [one.sequence for one in writer.close()] == list(range(20))
    assert not writer._thread.is_alive()
    assert len(read_since(tmp_path / "j.db", "e1", -1)) == 20


def test_a_full_disk_gives_rows_back_as_not_durable_and_the_writer_goes_on(tmp_path):
    writer = JournalWriter(tmp_path / "j.db", epoch="e1")
    writer.submit(row(0))
    wait_for(writer, 1)
    (pages,) = writer._journal._connection.execute("PRAGMA page_count").fetchone()
    writer._journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    writer.submit(Row("e1", 1, "alert", b"x" * 100_000, UTC))
    (refused,) = wait_for(writer, 1)
    assert (refused.sequence, refused.is_durable) == (1, False)
    writer._journal._connection.execute("PRAGMA max_page_count = 100000")
    writer.submit(row(2))
    written = wait_for(writer, 2)
    # the refused one comes again, and before the next: what is on disk has no gap
    assert [(one.sequence, one.is_durable) for one in written] == [(1, True), (2, True)]
    writer.close()
    rows = read_since(tmp_path / "j.db", "e1", -1)
    assert [one.sequence for one in rows] == [0, 1, 2]


def test_reading_never_touches_a_file_that_is_no_journal(tmp_path):
    path = tmp_path / "j.db"
    path.write_text("no database at all" * 100)
    with pytest.raises(MonitorError, match="cannot be read"):
        read_since(path, "e1", 0)
    assert [one.name for one in tmp_path.iterdir()] == ["j.db"]
    with pytest.raises(MonitorError, match="cannot be read"):
        read_since(tmp_path / "none.db", "e1", 0)
