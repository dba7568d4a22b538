"""`python -m workbook` is the same as the command `workbook`."""

import sys


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["lab"]:
        from workbook.lab.__main__ import main as lab

        return lab(arguments[1:])
    if arguments[:1] == ["jobs"]:
        from workbook.jobs.cli import main as jobs

        return jobs(arguments[1:])
    from workbook.doctor.cli import main as doctor

    return doctor(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
