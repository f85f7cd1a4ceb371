"""What a client asks about its tasks: where the names of their class paths come from, and which code stays."""

import haulier
import jobs
import pytest


def test_the_class_path_of_a_task_is_explained(cluster, tmp_path):
    module = tmp_path / "acme_question.py"
    module.write_text("def answer(): raise LookupError\n")
    cluster.deploy("py-question", "1.0.0", module)
    with pytest.raises(haulier.CodeNotFound) as failed:
        cluster.task("py-question", "acme_questoin:answer").call()
    task = failed.value.context["task"]
    assert task.startswith(f"{cluster.session_id}/")
    explained = cluster.explain("acme_question", task=task)
    assert [place.label for place in explained.places] == ["py-question:1.0.0/acme_question.py"]
    with pytest.raises(haulier.NotFound):
        cluster.explain("acme_question", task=f"{cluster.session_id}/1000000")
    cluster.undeploy("py-question")


def test_code_that_stays_is_listed(cluster, address):
    with haulier.connect(address, mode="continuous") as other, other.executor() as pool:
        assert pool.submit(jobs.square, 3).result(60) == 9
        (code,) = [code for code in cluster.continuous_code() if code.origins[0].startswith(f"{other.session_id}@")]
        assert code.reference.startswith("session:") and len(code.reference) == 72
        assert len(code.identities) == 1 and 0 < code.held_bytes <= code.size
        assert 0 < code.created_at <= code.last_used
        assert cluster.task(code.reference, "jobs:square").call(4) == 16
        cluster.undeploy(code.reference)
    assert code.reference not in {code.reference for code in cluster.continuous_code()}
