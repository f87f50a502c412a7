// Servers in Go. `judge NAME` starts one; each says which models it would serve, as README.md describes.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"
)

var output sync.Mutex

// The line that a judge writes for a request, which is its answer too.
func verdict(models []string, read, mediaType string) string {
	named := strings.Join(models, ",")
	if named == "" {
		named = "nothing"
	}
	line := fmt.Sprintf("served %s by %s of %s\n", named, read, mediaType)
	output.Lock()
	defer output.Unlock()
	os.Stdout.WriteString(line)
	return line
}

type named struct {
	Model string `query:"model" form:"model" json:"model"`
}

// What r.FormValue chooses from; JSON where there is no form.
func plain(writer http.ResponseWriter, request *http.Request) {
	read := "form"
	request.ParseMultipartForm(1 << 20)
	models := request.Form["model"]
	if request.MultipartForm != nil {
		for _, file := range request.MultipartForm.File["model"] {
			if opened, err := file.Open(); err == nil {
				content, _ := io.ReadAll(opened)
				models = append(models, string(content))
			}
		}
	}
	if len(models) == 0 {
		var document named
		read = "json"
		if json.NewDecoder(request.Body).Decode(&document) == nil && document.Model != "" {
			models = []string{document.Model}
		}
	}
	io.WriteString(writer, verdict(models, read, request.Header.Get("content-type")))
}

// What echo binds: by the content type, and a query where the method has no body.
func bound(context echo.Context) error {
	var document named
	var models []string
	if context.Bind(&document) == nil && document.Model != "" {
		models = []string{document.Model}
	}
	return context.String(http.StatusOK, verdict(models, "binding", context.Request().Header.Get("content-type")))
}

func main() {
	var handler http.Handler = http.HandlerFunc(plain)
	if os.Args[1] == "echo" {
		application := echo.New()
		application.Any("/*", bound)
		handler = application
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	http.Serve(listener, handler)
}
