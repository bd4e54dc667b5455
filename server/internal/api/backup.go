package api

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc/codes"

	postilionv1 "github.com/postilion-mail/postilion/proto/gen/postilion/v1"
	"github.com/postilion-mail/postilion/server/internal/fault"
)

// backups is the one place in the data directory for backups: systemd lets the
// daemon write nowhere else, and its other folders are swept.
const backups = "backups"

// Backup implements postilion.v1.AdminService.
func (a *API) Backup(ctx context.Context, req *postilionv1.BackupRequest) (*postilionv1.BackupResponse, error) {
	dir := filepath.Clean(req.GetDirectory())
	if !filepath.IsAbs(req.GetDirectory()) {
		return nil, fault.Invalid("directory", "is not an absolute path", "give the whole path of a directory that is new or empty")
	}
	if inside(a.DataDir, dir) && !inside(filepath.Join(a.DataDir, backups), filepath.Dir(dir)) {
		return nil, fault.Invalid("directory", "lies among the daemon's own files",
			"choose one outside, or below "+filepath.Join(a.DataDir, backups))
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fault.Fault{
			Code: codes.FailedPrecondition, Reason: "directory_not_empty", Fields: []string{"directory"},
			Text: "is not empty", Remedy: "choose a new directory for each backup",
		}.Err()
	}
	if err := a.Archive(ctx, dir); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fault.Fault{
			Code: codes.FailedPrecondition, Reason: "backup_failed", Fields: []string{"directory"}, Text: err.Error(),
			Remedy: "choose a directory where the daemon's user may write and that has room",
		}.Err()
	}
	bytes, err := sizeOf(dir)
	return &postilionv1.BackupResponse{Bytes: bytes}, err
}

// inside says whether path is dir or lies in it, links followed as far as the
// path is there.
func inside(dir, path string) bool {
	rel, err := filepath.Rel(real(dir), real(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

func real(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(real(parent), filepath.Base(path))
	}
	return path
}

func sizeOf(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return err
	})
	return total, err
}
