"""The list of metrics: every row of a table against the truth has a title, in order."""

from __future__ import annotations

from mim_tf.evaluation.titles import METRICS, TRUTH, truth_rows


def test_rows_stand_in_order_with_the_parts_behind_their_mean():
    scores = {"iou": 1.0, "psnr": 2.0, "accuracy_wings": 1.0, "accuracy": 1.0, "accuracy_tail": 0.0}
    assert truth_rows(scores) == [
        ("accuracy", METRICS["accuracy"].title),
        ("accuracy_wings", "- wings"),
        ("accuracy_tail", "- tail"),
        ("psnr", METRICS["psnr"].title),
        ("iou", METRICS["iou"].title),
    ]
    assert truth_rows(scores, ["psnr"]) == [("psnr", METRICS["psnr"].title)]
    assert set(TRUTH) <= set(METRICS)
