#!/usr/bin/env python3
"""Runs functions of this script and of the project beside it on a node that has neither."""

import os
from pathlib import Path

import haulier
from weather import forecast

WEEKS = [[11.5, 18.0, 16.25], [3.0, -4.0, 1.5], [21.0, 22.5, 20.0]]


def mean(days):
    """Return the mean; a function of the script."""
    return round(sum(days) / len(days), 2)


def main():
    """Show peer loading, then the same package as a unit."""
    with haulier.connect(os.environ["HAULIER_ADDRESS"]) as cluster:
        with cluster.executor() as pool:
            print("a function of the script:", list(pool.map(mean, WEEKS)))
            print("a lambda:", list(pool.map(lambda days: len(days), WEEKS)))
            print("a function of the project:", list(pool.map(forecast.warmest, WEEKS)))
            here, there = forecast.origin(), pool.submit(forecast.origin).result()
            print(f"its module here:    {here}\nits module there:   {there}")
            if here == there:
                raise SystemExit("the node loaded the module from this folder")
        for node, pid in cluster.broadcast(os.getpid).items():
            print(f"a worker of {node}: process {pid}, not {os.getpid()}")

        unit = cluster.deploy("weather", "1.0.0", Path(__file__).with_name("weather"))
        print(f"deployed: {unit.name}:{unit.version}")
        warmest = cluster.task("weather:1.0.0", "weather.forecast:warmest")
        print("by name, from the unit:", warmest.call(WEEKS[0]))
        cluster.undeploy("weather:1.0.0")


if __name__ == "__main__":
    main()
