"""Ratios count only where both sides see the same faces."""

from __future__ import annotations

from dataclasses import replace

from crystaledge.jsonio import dumps
from crystaledge_benchmarks.cpu import Spread
from crystaledge_benchmarks.video.differences import Differences
from crystaledge_benchmarks.video.peer_loop import PeerLoop
from crystaledge_benchmarks.video.speed import ClipSpeed, report

PEER = PeerLoop(
    detector="yunet", embedder="dlib", decode_cpu_ms=1.0, detect_cpu_ms=4.0, embed_cpu_ms=16.0, faces_per_frame=1.0
)
SAME = Differences(
    peer="yunet",
    peer_faces=20,
    peer_alone=1,
    peer_alone_frames=(3,),
    our_faces=20,
    our_alone=0,
    our_alone_frames=(),
)
CLIP = ClipSpeed(
    clip="easy",
    frames=20,
    size_hw=(360, 640),
    cpu_ms=Spread.of([4.0, 5.0, 6.0]),
    decode_cpu_ms=Spread.of([1.0]),
    frames_per_s=200.0,
    whole_frames_per_s=150.0,
    faces_per_frame=1.0,
    peers=(PEER,),
    differences=(SAME,),
)


def test_the_same_faces_are_at_most_one_in_twenty_apart() -> None:
    assert SAME.same
    assert not replace(SAME, peer_alone=2).same
    assert not replace(SAME, our_alone=2).same
    assert not replace(SAME, peer_faces=0, peer_alone=0).same


def test_the_slowest_comes_first_and_unfair_ratios_do_not_count() -> None:
    hard = replace(
        CLIP, clip="hard", frames_per_s=100.0, cpu_ms=Spread.of([1.0]), differences=(replace(SAME, peer_alone=20),)
    )
    told = report([CLIP, hard])
    text = told.text()
    assert text.index("hard") < text.index("easy")
    assert "20.0 *" in text  # 20 ms over 1 ms
    assert told.findings[0] == "Slowest clip: hard, 100 frames per CPU second."
    assert "takes 4.0 (4.0-4.0) times our CPU time; both see the same faces in 1 of 2 clips" in told.findings[1]
    assert dumps(told.record)


def test_where_no_clip_is_fair_nothing_is_compared() -> None:
    told = report([replace(CLIP, differences=())])
    assert "yunet + dlib cannot be compared; both see the same faces in 0 of 1 clips" in told.findings[1]


def test_without_peers_there_is_our_table_alone() -> None:
    told = report([replace(CLIP, peers=(), differences=())])
    assert len(told.tables) == 1
    assert "5.00 (4.00-6.00)" in told.text()
