"""One fold of the CSV that the environment variable MADE_UP names: a strain held out, the next two to train on."""

import csv
import os
from typing import ClassVar

import numpy as np
from benchopt import BaseDataset


class Dataset(BaseDataset):
    name = "made-up"
    parameters: ClassVar = {"fold": list(range(200))}

    def get_data(self):
        strains: dict[str, list[list[float]]] = {}
        with open(os.environ["MADE_UP"]) as stream:
            for row in csv.DictReader(stream):
                x = [float(value) for name, value in row.items() if name.startswith("x")]
                strains.setdefault(row["Strain"], []).append(x)
        x = [np.array(values) for values in strains.values()]
        return {"train": [x[(self.fold + n) % len(x)] for n in (1, 2)], "truth": x[self.fold]}
