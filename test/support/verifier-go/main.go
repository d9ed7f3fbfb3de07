// Verifier checks a log with the packages that Go's own module checksum database is checked with. It shares no line with
// countersign: only the published formats (signed note, tlog checkpoint, tlog-tiles, RFC 6962).
//
// usage: verifier <log directory> <verifier key>
package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	size, root, err := verify(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		os.Exit(1)
	}
	fmt.Println("OK", size, root)
}

func verify(directory, key string) (int64, tlog.Hash, error) {
	tree, err := openCheckpoint(directory, key)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	leaves, err := readLeaves(directory, tree.N)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	if err := checkWhole(tree, leaves); err != nil {
		return 0, tlog.Hash{}, err
	}
	return tree.N, tree.Hash, checkProofs(tree, leaves, tiles{directory})
}

func openCheckpoint(directory, key string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return tlog.Tree{}, err
	}
	text, err := os.ReadFile(filepath.Join(directory, "checkpoint"))
	if err != nil {
		return tlog.Tree{}, err
	}
	signed, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("the checkpoint is of another log or has extension lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, errors.New("the root is not a hash")
	}
	return tlog.Tree{N: size, Hash: tlog.Hash(root)}, nil
}

// readLeaves reads the entry bundles: 256 leaves each, behind their big-endian length.
func readLeaves(directory string, size int64) ([][]byte, error) {
	var leaves [][]byte
	for int64(len(leaves)) < size {
		path := filepath.Join(directory, "tile/entries", indexPath(int64(len(leaves))/256))
		width := min(size-int64(len(leaves)), 256)
		if width < 256 {
			path += fmt.Sprintf(".p/%d", width)
		}
		bundle, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for range width {
			if len(bundle) < 2 {
				return nil, fmt.Errorf("%s is short", path)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			if len(bundle) < end {
				return nil, fmt.Errorf("%s is short", path)
			}
			leaves, bundle = append(leaves, bundle[2:end]), bundle[end:]
		}
		if len(bundle) != 0 {
			return nil, fmt.Errorf("%s is long", path)
		}
	}
	return leaves, nil
}

// checkWhole computes the root from all leaves, without a tile.
func checkWhole(tree tlog.Tree, leaves [][]byte) error {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var hashes []tlog.Hash
		for _, index := range indexes {
			hashes = append(hashes, stored[index])
		}
		return hashes, nil
	})
	for n, leaf := range leaves {
		hashes, err := tlog.StoredHashes(int64(n), leaf, reader)
		if err != nil {
			return err
		}
		stored = append(stored, hashes...)
	}
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return errors.New("the leaves do not have the signed root")
	}
	return nil
}

// checkProofs takes inclusion and consistency proofs from the tiles alone.
func checkProofs(tree tlog.Tree, leaves [][]byte, files tiles) error {
	reader := tlog.TileHashReader(tree, files)
	for _, index := range []int64{0, 1, 255, 256, 511, 65535, 65536, tree.N / 2, tree.N - 1} {
		if index < 0 || index >= tree.N {
			continue
		}
		proof, err := tlog.ProveRecord(tree.N, index, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(leaves[index])); err != nil {
			return err
		}
	}
	for _, size := range []int64{1, 255, 256, 257, tree.N / 3, tree.N - 1} {
		if size < 1 || size >= tree.N {
			continue
		}
		old, err := tlog.TreeHash(size, reader)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(tree.N, size, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, size, old); err != nil {
			return err
		}
	}
	return nil
}

type tiles struct{ directory string }

func (tiles) Height() int                     { return 8 }
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range wanted {
		// The checksum database puts the height into the path, tlog-tiles does not.
		path := filepath.Join(t.directory, strings.Replace(tile.Path(), "tile/8/", "tile/", 1))
		bytes, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			bytes, err = os.ReadFile(strings.SplitN(path, ".p/", 2)[0])
			bytes = bytes[:min(len(bytes), tile.W*tlog.HashSize)]
		}
		if err != nil {
			return nil, err
		}
		read = append(read, bytes)
	}
	return read, nil
}

func indexPath(index int64) string {
	path := fmt.Sprintf("%03d", index%1000)
	for index >= 1000 {
		index /= 1000
		path = fmt.Sprintf("x%03d/%s", index%1000, path)
	}
	return path
}
