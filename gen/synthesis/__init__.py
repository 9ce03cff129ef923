"""Bulk synthesis: what is asked for, sample by sample, and data sets that are written in resumable shards.

A generator is any callable that turns requests into records; this package knows no model.
"""

from gen.synthesis.data_set import check_cut, shard_size
from gen.synthesis.labels import read_labels
from gen.synthesis.like import BALANCES, LikeRequests, like
from gen.synthesis.output import DataSet, Outcome, check_place, shards_of, share_of, synthesize
from gen.synthesis.refusal import Refusal
from gen.synthesis.requests import PromptRequests, Request, Requests
from gen.synthesis.table_requests import TableRequests, label_requests, planned, read_table

__all__ = [
    "BALANCES",
    "DataSet",
    "LikeRequests",
    "Outcome",
    "PromptRequests",
    "Refusal",
    "Request",
    "Requests",
    "TableRequests",
    "check_cut",
    "check_place",
    "label_requests",
    "like",
    "planned",
    "read_labels",
    "read_table",
    "shard_size",
    "shards_of",
    "share_of",
    "synthesize",
]
