"""Teaching and predicting over HTTP."""

from types import SimpleNamespace

import httpx
import pytest
from tests.service.gateway.conftest import problem_in

FITS = {"Content-Type": "application/fits"}


def test_ratings_are_written_once_and_listed(own: httpx.Client) -> None:
    """With a name in the header; what is bad is told as a problem."""
    body = {
        "who": "ann",
        "ratings": [
            {"object_id": "ring-0", "score": 5},
            {"object_id": "long-0", "score": 0, "is_artefact": True, "note": "trail"},
        ],
    }
    named = {"Idempotency-Key": "first"}
    first = own.post("/ratings", json=body, headers=named).json()
    again = own.post("/ratings", json=body, headers=named).json()
    assert (first["num_objects"], first["was_done"]) == ("2", False)
    assert again["was_done"] is True
    page = own.get("/ratings", params={"page_size": 1}).json()
    assert [one["object_id"] for one in page["ratings"]] == ["long-0"]
    rest = {"page_token": page["next_page_token"]}
    last = own.get("/ratings", params=rest).json()
    assert [one["score"] for one in last["ratings"]] == [5.0]
    assert last["next_page_token"] == ""
    other = problem_in(own.get("/ratings", params=rest | {"who": "bob"}))
    assert other["reason"] == "BAD_PAGE_TOKEN"
    body["ratings"] = [{"object_id": "ring-0", "score": 7}]
    assert problem_in(own.post("/ratings", json=body))["reason"] == "BAD_RATING"
    twice = [{"object_id": "ring-0", "score": 1}] * 2
    refused = own.post("/ratings", json=body | {"ratings": twice})
    assert problem_in(refused)["reason"] == "BAD_RATING"
    unsaid = [{"object_id": "ring-0", "note": "why"}]
    refused = own.post("/ratings", json=body | {"ratings": unsaid})
    assert problem_in(refused)["reason"] == "BAD_RATING"


def test_what_was_taught_is_listed_and_suggested(own: httpx.Client) -> None:
    ask = {"order": "ANOMALY_ORDER_TAUGHT", "page_size": 5}
    assert problem_in(own.post("/anomalies/list", json=ask))["reason"] == ("NOT_RATED")
    rated = [{"object_id": f"ring-{n}", "score": 5} for n in range(4)]
    own.post("/ratings", json={"who": "ann", "ratings": rated})
    page = own.post("/anomalies/list", json=ask).json()
    assert {one["interest"] for one in page["anomalies"][:4]} == {5.0}
    token = {"page_token": page["next_page_token"]}
    rest = own.post("/anomalies/list", json=ask | token).json()
    assert rest["anomalies"][0]["rank"] == "6"
    other = {"order": "ANOMALY_ORDER_TYPICAL"} | token
    refused = own.post("/anomalies/list", json=other)
    assert problem_in(refused)["reason"] == "BAD_PAGE_TOKEN"
    told = own.post("/suggestions/list", json={"num": 3}).json()
    assert len(told["suggestions"]) == 3
    many = own.post("/suggestions/list", json={"num": 1001})
    assert problem_in(many)["reason"] == "BAD_BATCH_SIZE"


def test_an_upload_is_predicted_and_compared(
    own: httpx.Client, sky: SimpleNamespace
) -> None:
    """As the bytes of a file, with what to predict in the address; and page by page."""
    content = sky.draw("ring", 77)
    params = {"attribute": "kind", "confidence": "0.8"}
    sent = own.post("/predict", content=content, headers=FITS, params=params)
    found = sent.json()
    assert found["value"] == {"text": "ring"}
    assert sum(one["probability"] for one in found["classes"]) == pytest.approx(1.0)
    assert found["confidence"] == 0.8
    nothing = own.post("/predict", content=content, headers=FITS)
    assert problem_in(nothing)["reason"] == "BAD_TARGET"
    few = {"query": {"object_id": "ring-1"}, "labels": {"labels": ["a", "b"]}}
    refused = own.post("/predict", json=few)
    assert problem_in(refused)["reason"] == "TOO_FEW_EXAMPLES"
    ask = {"query": {"examples": {"like_ids": ["ring-0", "ring-1"]}}, "page_size": 40}
    page = own.post("/nearest/list", json=ask).json()
    token = {"page_token": page["next_page_token"]}
    rest = own.post("/nearest/list", json=ask | token).json()
    ids = [one["object"]["id"] for one in page["hits"] + rest["hits"]]
    assert len(set(ids)) == len(ids) == 58
    forged = own.post("/nearest/list", json=ask | {"page_token": "eA=="})
    assert problem_in(forged)["reason"] == "BAD_PAGE_TOKEN"
