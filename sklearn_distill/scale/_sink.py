"""The folder of a transfer set: one Parquet file for each partition, and a list of them.

A file is written under another name and gets its own when it is whole, so that whatever happens
to its writer, a file with the name of a partition is the partition. The list is written last.
"""

import json
from dataclasses import dataclass
from uuid import uuid4

#: The list of parts, and what they were made with.
LIST = "_transfer_set.json"

#: Under which the metadata of a part are in its Parquet file.
IN_PARQUET = b"sklearn_distill"

#: The layout of folder and list.
LAYOUT = 1


def _columns_that_repeat(schema):
    """Return the columns that a dictionary makes smaller: of numbers it costs time alone."""
    from pyarrow import types

    return [field.name for field in schema if not types.is_primitive(field.type)]


@dataclass(frozen=True, eq=False)
class Sink:
    """A folder of parts.

    Attributes
    ----------
    filesystem : pyarrow.fs.FileSystem
    folder : str
    """

    filesystem: object
    folder: str

    def path(self, name):
        """Return the path of a file in the folder."""
        return f"{self.folder}/{name}"

    def exists(self, name):
        """Tell whether there is a file of this name."""
        from pyarrow import fs

        return self.filesystem.get_file_info(self.path(name)).type == fs.FileType.File

    def read_list(self):
        """Return what the list says; None if there is none."""
        if not self.exists(LIST):
            return None
        with self.filesystem.open_input_stream(self.path(LIST)) as file:
            return json.loads(file.read())

    def write_list(self, found):
        """Write the list, as a whole or not at all."""
        self.filesystem.create_dir(self.folder, recursive=True)
        temporary = self._temporary(LIST)
        with self.filesystem.open_output_stream(temporary) as file:
            file.write(json.dumps(found, indent=1).encode())
        self.filesystem.move(temporary, self.path(LIST))

    def files(self):
        """Return the names of the files in the folder."""
        from pyarrow import fs

        selector = fs.FileSelector(self.folder, allow_not_found=True)
        return [info.base_name for info in self.filesystem.get_file_info(selector)]

    def metadata_of_part(self, name):
        """Return what a part says of itself; None if it is not there or not ours."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self.exists(f"{name}.parquet"):
            return None
        try:
            with self.filesystem.open_input_file(self.path(f"{name}.parquet")) as file:
                found = pq.read_metadata(file)
        except (pa.ArrowInvalid, OSError):
            return None
        ours = (found.metadata or {}).get(IN_PARQUET)
        return None if ours is None else json.loads(ours) | {"n_rows": found.num_rows}

    def write_part(self, name, tables, metadata, row_group_rows):
        """Write a part, as a whole or not at all.

        Parameters
        ----------
        name : str
        tables : iterable of pyarrow.Table
            All of one schema. ``metadata`` are read when they are through.
        metadata : dict
        row_group_rows : int
        """
        import pyarrow.parquet as pq

        temporary, writer = self._temporary(name), None
        try:
            with self.filesystem.open_output_stream(temporary) as file:
                try:
                    for table in tables:
                        if writer is None:
                            schema = table.schema.remove_metadata()
                            writer = pq.ParquetWriter(
                                file, schema, use_dictionary=_columns_that_repeat(schema)
                            )
                        table = table.replace_schema_metadata(None).cast(schema)
                        writer.write_table(table, row_group_size=row_group_rows)
                    writer.add_key_value_metadata({IN_PARQUET: json.dumps(metadata).encode()})
                finally:
                    if writer is not None:
                        writer.close()  # it would try to, when the file is gone
            self.filesystem.move(temporary, self.path(f"{name}.parquet"))
        except BaseException:
            self._delete_if_there(temporary)
            raise

    def delete_leftovers(self, kept):
        """Delete parts that are not kept, and what killed writers have left.

        Parameters
        ----------
        kept : collection of str
            Names of parts.
        """
        kept = {f"{name}.parquet" for name in kept}
        for name in self.files():
            ours = name.startswith("part-") and name.endswith(".parquet")
            if (name.startswith(".") and name.endswith(".tmp")) or (ours and name not in kept):
                self._delete_if_there(self.path(name))

    def _delete_if_there(self, path):
        from pyarrow import fs

        if self.filesystem.get_file_info(path).type == fs.FileType.File:
            self.filesystem.delete_file(path)

    def _temporary(self, name):
        # Readers of data sets pass over names that begin with a dot.
        return self.path(f".{name}-{uuid4().hex}.tmp")
