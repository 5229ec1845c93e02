"""A nightly run from Airflow on a standing Ray cluster; a task that is tried again resumes its run.

For Airflow 3, whose standard provider brings the operator. Its workers need the `ray` command; the variable
`ray_address` is the address of Ray's job API.
"""

from datetime import datetime, timedelta

from airflow import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG(
    dag_id="pasd_batch_nightly",
    schedule="15 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
) as dag:
    BashOperator(
        task_id="restore",
        bash_command=(
            "ray job submit --address {{ var.value.ray_address }} -- "
            "python /app/jobs/restore_archive.py /etc/pasd-batch/nightly.yaml "
            "output.root=s3://my-bucket/restored/{{ ds }} --log-format json"
        ),
        retries=3,
        retry_delay=timedelta(minutes=10),
        execution_timeout=timedelta(hours=8),
    )
