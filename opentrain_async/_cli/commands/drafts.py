"""The command `drafts`: list the account's drafts, or its other jobs."""

import click

from ..._base.clock import iso
from ...errors import OpenTrainError
from ...models import JOB_STATUSES, Job
from ...quota import MemoryLedger
from ..common import client_of, told_in_one_line
from ..ids import each_job
from ..signals import run
from ..views import output


@click.command()
@click.option(
    "--status",
    type=click.Choice([*JOB_STATUSES, "all"], case_sensitive=False),
    default="DRAFT",
    show_default=True,
    help="Which jobs.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object a line to stdout, as they come.")
def drafts(status: str, as_json: bool) -> None:
    """List the account's drafts, newest first; or its jobs in another state.

    \b
    Exit status:
      0    listed
      2    misuse
      3    it could not run: credentials, or network
    """  # noqa: D301 - \b is click's: what follows it is not wrapped
    jobs: list[Job] = []
    take = _echo_json if as_json else jobs.append
    client = client_of(MemoryLedger())
    with told_in_one_line(OpenTrainError):
        run(each_job(client, None if status == "all" else status, take))
    if as_json:
        return
    rows = output.table_of_jobs()
    rows.add_column("Status", no_wrap=True)
    rows.add_column("Changed", no_wrap=True)
    rows.add_column("Title", overflow="fold")
    for job in jobs:
        changed = job.updated_at or job.created_at
        at = output.when(changed) if changed else ""
        rows.add_row(job.id, job.status, at, job.title or "")
    if jobs:
        output.print_rows(rows)
    output.stdout().print(f"{len(jobs)} {'job' if len(jobs) == 1 else 'jobs'}")


def _echo_json(job: Job) -> None:
    output.print_json({
        "job_id": job.id,
        "status": job.status,
        "title": job.title,
        "created_at": iso(job.created_at),
        "updated_at": iso(job.updated_at),
        "job_url": job.job_url,
    })
